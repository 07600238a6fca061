package app_test

import (
	"net/url"
	"testing"
	"time"

	"gatehouse.example/internal/identity"
	"gatehouse.example/services/auth"
)

const shopAPI = "https://shop.example/api"

// TestIntrospectionIsForWhoItConcerns: RFC 7662 §4, row by row.
func TestIntrospectionIsForWhoItConcerns(t *testing.T) {
	s := start(t)
	machine := func(name, more string) registered {
		return s.register(`{"name":"` + name + `","type":"confidential","grant_types":["client_credentials"],"scopes":["users:read"]` + more + `}`)
	}
	holder := machine("holder", `,"resources":["`+shopAPI+`","https://other.example"]`)
	shop := machine("shop", `,"resources":["`+shopAPI+`"]`)
	admin, stranger := machine("admin", `,"admin":true`), machine("stranger", `,"resources":["https://shop.example"]`)
	b := s.browser()
	grant := func(resource string) string {
		form := url.Values{"grant_type": {"client_credentials"}}
		if resource != "" {
			form.Set("resource", resource)
		}
		return b.redeem(form, 200, "Authorization", basic(holder.ClientID, holder.ClientSecret)).AccessToken
	}
	forShop, forOther, forUs := grant(shopAPI), grant("https://other.example"), grant("")
	key := s.key(identity.Principal{Kind: identity.KindClient, Subject: holder.ClientID, ClientID: holder.ClientID, Scopes: []string{"users:read"}}, `{"name":"x","scopes":["users:read"]}`).Key
	internal, _, err := s.minter.Mint(operator(), "gatehouse")
	if err != nil {
		t.Fatal(err)
	}
	ask := func(c registered, token string) map[string]any {
		t.Helper()
		var answer map[string]any
		b.post("/oauth2/introspect", url.Values{"token": {token}}, "Authorization", basic(c.ClientID, c.ClientSecret)).want(t, 200).into(t, &answer)
		return answer
	}
	for _, row := range []struct {
		name   string
		client registered
		token  string
		active bool
	}{
		{"its own", holder, forShop, true},
		{"its own for us", holder, forUs, true},
		{"for the shop, by the shop", shop, forShop, true},
		{"for another, by the shop", shop, forOther, false},
		{"for us, by the shop", shop, forUs, false},
		{"for the shop, by a stranger", stranger, forShop, false},
		{"for us, by a stranger", stranger, forUs, false},
		{"for us, by an administrator's", admin, forUs, true},
		{"for the shop, by an administrator's", admin, forShop, false},
		{"API key", holder, key, false},
		{"API key, by an administrator's", admin, key, false},
		{"internal token", admin, internal, false},
		{"cut off", holder, forShop[:len(forShop)-2], false},
	} {
		got := ask(row.client, row.token)
		if got["active"] != row.active || !row.active && len(got) != 1 {
			t.Errorf("%s: %v, want active %v", row.name, got, row.active)
		}
	}
	for _, form := range []url.Values{{}, {"token": {""}}, {"token": {"a", "b"}}} {
		b.post("/oauth2/introspect", form, "Authorization", basic(holder.ClientID, holder.ClientSecret)).want(t, 400)
		b.post("/oauth2/revoke", form, "Authorization", basic(holder.ClientID, holder.ClientSecret)).want(t, 400)
	}

	// Only who holds a token can revoke it.
	b.post("/oauth2/revoke", url.Values{"token": {forShop}}, "Authorization", basic(shop.ClientID, shop.ClientSecret)).want(t, 400)
	if got := ask(holder, forShop); got["active"] != true {
		t.Error("a foreign client revoked the token")
	}
	for range 2 {
		b.post("/oauth2/revoke", url.Values{"token": {forShop}}, "Authorization", basic(holder.ClientID, holder.ClientSecret)).want(t, 200)
	}
	if got := ask(shop, forShop); got["active"] != false {
		t.Error("a revoked token is active")
	}
	if r := s.records("token.revoked"); len(r) != 1 || r[0].Actor != holder.ClientID || r[0].Details["reason"] != "revoked_by_client" {
		t.Errorf("records: %+v", r)
	}
	for _, token := range []string{key, internal, "", "x"} {
		if token != "" {
			b.post("/oauth2/revoke", url.Values{"token": {token}}, "Authorization", basic(holder.ClientID, holder.ClientSecret)).want(t, 200)
		}
	}
	if _, ok := s.works(key); !ok {
		t.Error("the revocation endpoint ended an API key")
	}
	s.advance(10 * time.Minute)
	if got := ask(holder, forUs); got["active"] != false {
		t.Error("an expired token is active")
	}
	s.call(operator(), "DELETE", "/v1/clients/"+stranger.ClientID, "").want(t, 204)
	b.post("/oauth2/introspect", url.Values{"token": {forOther}}, "Authorization", basic(stranger.ClientID, stranger.ClientSecret)).want(t, 401)
}

// TestIntrospectionOfWhatEnded: nothing of a revoked session, grant or client
// is active.
func TestIntrospectionOfWhatEnded(t *testing.T) {
	s := start(t)
	web := s.register(`{"name":"web","type":"confidential","redirect_uris":["` + callback + `"],"grant_types":["authorization_code","refresh_token"],"scopes":["openid","offline_access","users:read"]}`)
	admin := s.register(`{"name":"admin","type":"confidential","grant_types":["client_credentials"],"scopes":[],"admin":true}`)
	ada, b := s.person("ada@example.com")
	header := []string{"Authorization", basic(web.ClientID, web.ClientSecret)}
	grant := func() tokens {
		return b.redeem(codeForm(web.ClientID, b.code(web.ClientID, "scope", "openid offline_access")), 200, header...)
	}
	active := func(token string) bool {
		t.Helper()
		var answer map[string]any
		b.post("/oauth2/introspect", url.Values{"token": {token}}, header...).want(t, 200).into(t, &answer)
		return answer["active"] == true
	}
	revoked, rotated, held := grant(), grant(), grant()
	again := b.redeem(refreshForm(web.ClientID, rotated.RefreshToken), 200, header...)
	if active(rotated.RefreshToken) || !active(again.RefreshToken) {
		t.Error("of a rotated refresh token the first one is active, or the second one is not")
	}
	b.post("/oauth2/revoke", url.Values{"token": {revoked.RefreshToken}}, header...).want(t, 200)
	if active(revoked.RefreshToken) || active(revoked.AccessToken) {
		t.Error("something of a revoked grant is active")
	}
	if r := s.records("grant.revoked"); len(r) != 1 || r[0].Actor != web.ClientID || r[0].Details["reason"] != "revoked_by_client" || r[0].Details["user_id"] != ada.ID {
		t.Errorf("records: %+v", r)
	}
	if !active(held.AccessToken) || !active(held.RefreshToken) {
		t.Fatal("the other grant has ended too")
	}
	if err := s.endings().EndOthers(t.Context(), ada.ID, "", auth.EndedRevoked, s.now()); err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{"access": held.AccessToken, "refresh": held.RefreshToken, "rotated": again.RefreshToken} {
		if active(token) {
			t.Errorf("%s token of a revoked session is active", name)
		}
	}
	b.post("/login", url.Values{"login": {"ada@example.com"}, "password": {goodPassword}}).want(t, 303)
	last := grant()
	s.call(operator(), "DELETE", "/v1/clients/"+web.ClientID, "").want(t, 204)
	var answer map[string]any
	b.post("/oauth2/introspect", url.Values{"token": {last.AccessToken}}, "Authorization", basic(admin.ClientID, admin.ClientSecret)).want(t, 200).into(t, &answer)
	if answer["active"] != false {
		t.Error("the token of a deleted client is active")
	}
}
