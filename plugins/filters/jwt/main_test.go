package main

import (
	"net/http"
	"strings"
	"testing"

	"gatehouse.example/sdk/filter"
	"gatehouse.example/sdk/filter/filtertest"
)

func bearer(token string) http.Header {
	return http.Header{"Authorization": {"Bearer " + token}}
}

// TestAnswers are those of RFC 6750 §3, by what the gateway says of a token.
func TestAnswers(t *testing.T) {
	config := `{"realm":"shop","resource_metadata":"https://shop.example/.well-known/oauth-protected-resource"}`
	ada := filtertest.Principal{Kind: "user", Subject: "ada"}
	f := filtertest.New(t, newFilter, config,
		filtertest.Token("good", filter.StatusOK, ada),
		filtertest.Token("bad", filter.StatusInvalid, ada),
		filtertest.Token("late", filter.StatusExpired, ada),
		filtertest.Token("ended", filter.StatusRevoked, ada),
		filtertest.Token("bound", filter.StatusForbidden, ada),
		filtertest.Token("two", filter.StatusConflict, ada),
		filtertest.Token("down", filter.StatusUnavailable, ada))
	for token, want := range map[string]struct {
		status            int
		code, description string
	}{
		"good":    {200, "", ""},
		"bad":     {401, "invalid_token", "The access token is not valid here"},
		"unknown": {401, "invalid_token", "The access token is not valid here"},
		"late":    {401, "invalid_token", "The access token expired"},
		"ended":   {401, "invalid_token", "The access token was revoked"},
		"bound":   {401, "invalid_token", "Tokens that are bound to a key are not accepted here"},
		"two":     {400, "invalid_request", "More than one credential"},
		"down":    {503, "", ""},
	} {
		got := f.Do(filtertest.Request{Header: bearer(token)})
		challenge := ""
		if want.code != "" {
			challenge = `Bearer realm="shop", error="` + want.code + `", error_description="` + want.description +
				`", resource_metadata="https://shop.example/.well-known/oauth-protected-resource"`
		}
		if got.Status != want.status || got.Header.Get("WWW-Authenticate") != challenge || got.Answered != (want.status != 200) {
			t.Errorf("%s: %d %v %s", token, got.Status, got.Header, got.Body)
		}
		if got.Answered && (got.Header.Get("Cache-Control") != "no-store" || got.Header.Get("Content-Type") != "application/problem+json") {
			t.Errorf("%s: header %v", token, got.Header)
		}
		if (want.status == 503) != (got.Header.Get("Retry-After") == "1") {
			t.Errorf("%s: Retry-After %q", token, got.Header.Get("Retry-After"))
		}
	}
	// RFC 6750 §3.1: no code, nor any answer, for who has sent no credential.
	if got := f.Do(filtertest.Request{}); got.Answered || got.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("without a credential: %+v", got)
	}
}

// TestHeaders: what a client sends in a field of a claim never arrives.
func TestHeaders(t *testing.T) {
	f := filtertest.New(t, newFilter, `{"headers":{"X-Tenant":"tenant","x-org-unit":"org.unit"}}`,
		filtertest.Token("good", filter.StatusOK, filtertest.Principal{Kind: "user", Subject: "ada"}))
	forged := func() http.Header {
		return http.Header{"X-Tenant": {"evil", "evil2"}, "X_tenant": {"evil"}, "X-Org_unit": {"evil"}, "X-Tenants": {"kept"}}
	}
	for name, c := range map[string]struct {
		token      string
		attributes map[string]string
		want       map[string]string
	}{
		"no token":   {"", nil, map[string]string{}},
		"both":       {"good", map[string]string{"claim.tenant": "acme", "claim.org.unit": "r,d"}, map[string]string{"X-Tenant": "acme", "X-Org-Unit": "r,d"}},
		"one claim":  {"good", map[string]string{"claim.tenant": "acme"}, map[string]string{"X-Tenant": "acme"}},
		"no claims":  {"good", nil, map[string]string{}},
		"left over":  {"", map[string]string{"claim.tenant": "acme"}, map[string]string{}},
		"other case": {"good", map[string]string{"claim.org.unit": "x"}, map[string]string{"X-Org-Unit": "x"}},
	} {
		header := forged()
		if c.token != "" {
			header.Set("Authorization", "Bearer "+c.token)
		}
		got := f.Do(filtertest.Request{Header: header, Attributes: c.attributes})
		if got.Answered {
			t.Fatalf("%s: %+v", name, got)
		}
		for field, values := range got.Request.Header {
			if strings.Contains(strings.Join(values, " "), "evil") {
				t.Errorf("%s: %s: %q arrives", name, field, values)
			}
		}
		if got.Request.Header.Get("X-Tenants") != "kept" {
			t.Errorf("%s: another field is gone", name)
		}
		for _, field := range []string{"X-Tenant", "X-Org-Unit"} {
			if value := got.Request.Header.Get(field); value != c.want[field] {
				t.Errorf("%s: %s %q, want %q", name, field, value, c.want[field])
			}
		}
	}
}

// TestConfigErrors name the field.
func TestConfigErrors(t *testing.T) {
	r := filter.Define("jwt", newFilter, filter.Needs("jwt"))
	for config, want := range map[string]string{
		`{"realm":"a\"b"}`:                             "config/realm: want",
		`{"realm":"a\\b"}`:                             "config/realm: want",
		`{"realm":"é"}`:                                "config/realm: want",
		`{"resource_metadata":"x"}`:                    "config/resource_metadata: want",
		`{"resource_metadata":"https://x/\"y"}`:        "config/resource_metadata: want",
		`{"headers":{"Host":"a"}}`:                     "config/headers/Host: this field is the gateway's",
		`{"headers":{"content_length":"a"}}`:           "config/headers/content_length: this field is the gateway's",
		`{"headers":{"X-Gatehouse-User":"a"}}`:         "config/headers/X-Gatehouse-User: this field is the gateway's",
		`{"headers":{"Proxy-X":"a"}}`:                  "config/headers/Proxy-X: this field is the gateway's",
		`{"headers":{"Authorization":"a"}}`:            "config/headers/Authorization: this field is the gateway's",
		`{"headers":{"X A":"a"}}`:                      "config/headers/X A: want a header's name",
		`{"headers":{"a/b~":"a"}}`:                     "config/headers/a~1b~0: want a header's name",
		`{"headers":{"":"a"}}`:                         "config/headers/: want a header's name",
		`{"headers":{"X-A":""}}`:                       "config/headers/X-A: want the name of a claim",
		`{"headers":{"X-A":"a","x_a":"b"}}`:            "config/headers/x_a: upstreams may take it for X-A",
		`{"issuers":[{"isuer":"self"}]}`:               "config/issuers/0/isuer: unknown field",
		`{"issuers":[{"issuer":"self","leeway":"x"}]}`: "config/issuers/0/leeway: want a duration",
		`{"issuers":[{"issuer":1}]}`:                   "config/issuers/0/issuer: want a string",
	} {
		if _, err := filtertest.Start(t, r, config); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %q", config, err, want)
		}
	}
}
