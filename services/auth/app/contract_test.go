package app_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// TestTimesStayTheSame: a time reads the same in the answer to a POST and in
// the list after it.
func TestTimesStayTheSame(t *testing.T) {
	s := start(t)
	type dated struct {
		CreatedAt string `json:"created_at"`
	}
	var list struct {
		Items []dated `json:"items"`
	}
	var made dated
	s.call(operator(), "POST", "/v1/api-keys", `{"name":"ci","scopes":["users:read"]}`).want(t, http.StatusCreated).into(t, &made)
	s.call(operator(), "GET", "/v1/api-keys", "").want(t, http.StatusOK).into(t, &list)
	if len(list.Items) != 1 || list.Items[0] != made || !strings.HasSuffix(made.CreatedAt, "Z") {
		t.Errorf("key made %v, listed %v", made, list.Items)
	}
	s.call(operator(), "POST", "/v1/clients", `{"name":"web","redirect_uris":["http://localhost:3000/callback"]}`).want(t, http.StatusCreated).into(t, &made)
	s.call(operator(), "GET", "/v1/clients", "").want(t, http.StatusOK).into(t, &list)
	if !slices.Contains(list.Items, made) {
		t.Errorf("client made %v, listed %v", made, list.Items)
	}
}

// TestNoScopeIsNotWritten: a client without scopes of its own gets a token and
// no empty scope, which RFC 6749 §3.3 has no notation for.
func TestNoScopeIsNotWritten(t *testing.T) {
	s := start(t)
	var c struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	s.call(operator(), "POST", "/v1/clients", `{"name":"job","grant_types":["client_credentials"],"token_endpoint_auth_method":"client_secret_basic"}`).
		want(t, http.StatusCreated).into(t, &c)
	got := s.browser().post("/oauth2/token", url.Values{"grant_type": {"client_credentials"}}, "Authorization", basic(c.ID, c.Secret)).want(t, http.StatusOK)
	if strings.Contains(got.body, `"scope"`) || !strings.Contains(got.body, `"access_token"`) {
		t.Errorf("answer %s", got.body)
	}
}

// TestDiscoveryNamesWhatThereIs: each claim of userinfo is announced, and no
// prompt that nothing asks.
func TestDiscoveryNamesWhatThereIs(t *testing.T) {
	var d struct {
		Claims  []string `json:"claims_supported"`
		Prompts []string `json:"prompt_values_supported"`
	}
	start(t).browser().get("/.well-known/openid-configuration").want(t, http.StatusOK).into(t, &d)
	for _, claim := range []string{"sub", "name", "given_name", "picture", "zoneinfo", "updated_at", "email_verified"} {
		if !slices.Contains(d.Claims, claim) {
			t.Errorf("claims_supported lacks %s", claim)
		}
	}
	if slices.Contains(d.Prompts, "consent") || !slices.Contains(d.Prompts, "login") {
		t.Errorf("prompt_values_supported = %v", d.Prompts)
	}
}
