package wasm_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/internal/jose"
)

// foreignIssuer is another issuer with keys and introspection.
func foreignIssuer(t *testing.T) (address string, key jose.Key) {
	t.Helper()
	key, err := jose.GenerateES256()
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(jose.PublicSet(key))
	})
	mux.HandleFunc("POST /introspect", func(w http.ResponseWriter, r *http.Request) {
		_, secret, _ := r.BasicAuth()
		_, _ = fmt.Fprintf(w, `{"active":%v,"sub":"opaque-ada","aud":"shop","tenant":"beta"}`, secret == "secret" && r.PostFormValue("token") == "opaque-token")
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL, key
}

func headerOf(ex *exchange.Exchange, name string) string {
	return strings.Join(ex.Request.Header.Values(nil, name), "|")
}

// TestJWTOfOtherIssuers runs the compiled filter against a real issuer.
func TestJWTOfOtherIssuers(t *testing.T) {
	address, key := foreignIssuer(t)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	f := b.build(t, "jwt", fmt.Sprintf(`{
		"issuers": [
			{"issuer": "self", "audience": ["gatehouse"]},
			{"issuer": "urn:idp", "audience": ["shop"], "jwks_uri": "%[1]s/jwks", "roles_claim": "realm_access.roles", "leeway": "10s",
			 "algorithms": ["ES256"], "types": ["JWT"], "required_claims": {"tenant": ["acme"]}},
			{"issuer": "urn:opaque", "audience": ["shop"],
			 "introspection": {"endpoint": "%[1]s/introspect", "client_id": "gateway", "client_secret_file": %[2]q, "cache": "1m"}}
		],
		"claims": ["realm_access.roles"],
		"headers": {"X-Tenant": "tenant"}
	}`, address, secret), "jwt")
	foreign, err := jose.Sign(key, "JWT", claims{
		Issuer: "urn:idp", Audience: []string{"shop"}, Subject: "ada", Scope: "users:read admin", ExpiresAt: b.clock.Now().Add(time.Minute),
		Extra: map[string]rawJSON{"tenant": rawJSON(`"acme"`), "realm_access": rawJSON(`{"roles":["clerk","boss"]}`), "pad": rawJSON(`"` + strings.Repeat("x", 6<<10) + `"`)},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, token, issuer, subject, tenant, roles string
	}{
		{"our own", b.token(t, claims{Subject: "user-1", Extra: map[string]rawJSON{"tenant": rawJSON(`"own"`)}}), "", "user-1", "own", ""},
		{"another's", foreign, "urn:idp", "ada", "acme", "clerk,boss"},
		{"opaque", "opaque-token", "urn:opaque", "opaque-ada", "beta", ""},
	} {
		for range 2 { // the second time from memory
			ex := newExchange("GET", "/", "Authorization", "Bearer "+c.token, "x-tenant", "evil", "X_Tenant", "evil", "X-TENANT", "evil")
			if run(t, f, ex).Answered {
				t.Fatalf("%s: refused: %s", c.name, ex.Response.Body.Bytes)
			}
			if p := ex.Principal; p.Issuer != c.issuer || p.Subject != c.subject || p.HasScope("users:write") {
				t.Errorf("%s: principal %+v", c.name, p)
			}
			if got := headerOf(ex, "X-Tenant") + headerOf(ex, "X_Tenant"); got != c.tenant {
				t.Errorf("%s: X-Tenant %q, want %q", c.name, got, c.tenant)
			}
			if roles, _ := ex.Attribute("claim.realm_access.roles"); roles != c.roles {
				t.Errorf("%s: roles %q, want %q", c.name, roles, c.roles)
			}
		}
	}
	nobody := newExchange("GET", "/", "X-Tenant", "evil", "X_TENANT", "evil")
	if run(t, f, nobody).Answered || headerOf(nobody, "X-Tenant")+headerOf(nobody, "X_Tenant") != "" {
		t.Error("a forged field goes through without a token")
	}
	for name, fields := range map[string][]string{
		"another token is not active":   {"Authorization", "Bearer other-token"},
		"DPoP":                          {"Authorization", "DPoP " + foreign},
		"DPoP in another case":          {"authorization", "dpop x"},
		"our own rules for our tokens":  {"Authorization", "Bearer " + b.sign(t, "JWT", claims{}, nil)},
		"another's types for ours":      {"Authorization", "Bearer " + b.sign(t, "JWT", claims{Audience: []string{"shop"}}, nil)},
		"ours signed by another issuer": {"Authorization", "Bearer " + mustSign(t, key, claims{Issuer: issuer, Audience: []string{"gatehouse"}, Subject: "user-1", ExpiresAt: b.clock.Now().Add(time.Minute)})},
	} {
		ex := newExchange("GET", "/", fields...)
		run(t, f, ex)
		challenge := ex.Response.Header.Get("WWW-Authenticate")
		if ex.Response.Status != 401 || !strings.Contains(challenge, `error="invalid_token"`) || ex.Principal.Authenticated() {
			t.Errorf("%s: %d %q", name, ex.Response.Status, challenge)
		}
		if bound := strings.Contains(challenge, "bound to a key"); bound != strings.HasPrefix(name, "DPoP") {
			t.Errorf("%s: challenge %q", name, challenge)
		}
	}
	two := newExchange("GET", "/", "Authorization", "Bearer "+foreign, "authorization", "Bearer "+foreign)
	if run(t, f, two); two.Response.Status != 400 || !strings.Contains(two.Response.Header.Get("WWW-Authenticate"), `error="invalid_request"`) {
		t.Errorf("two tokens: %d %s", two.Response.Status, two.Response.Body.Bytes)
	}
}

func mustSign(t *testing.T, key jose.Key, c claims) string {
	t.Helper()
	token, err := jose.Sign(key, "at+jwt", c, nil)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TestJWTConfigErrors: what the gateway finds wrong is told by the path of the
// configuration's field, as what the filter finds wrong is.
func TestJWTConfigErrors(t *testing.T) {
	b := newBench(t)
	for config, want := range map[string]string{
		`{"issuers":[{"issuer":"self","audience":["a"]},{"issuer":"urn:x","audience":["a"],"jwks_uri":"http://keys.example/"}]}`: "config/issuers/1/jwks_uri: ",
		`{"issuers":[{"issuer":"urn:x","audience":["a"]}]}`:                                                                      "config/issuers/0/issuer: ",
		`{"issuers":[{"issuer":"urn:x","jwks_uri":"https://keys.example/"}]}`:                                                    "config/issuers/0/audience",
		`{"issuers":[{"issuer":"self","audience":["a"],"types":["JWT"]}]}`:                                                       "config/issuers/0/types: ",
		`{"issuers":[{"issuer":"urn:x","audience":["a"],"jwks_file":"/does/not/exist"}]}`:                                        "config/issuers/0/jwks_file: ",
		`{"issuers":[{"issuer":"urn:x","audience":["a"],"introspection":{"endpoint":"https://x/","client_id":"a"}}]}`:            "config/issuers/0/introspection/client_secret_file",
		`{"claims":[""]}`:          "config/claims/0: ",
		`{"headers":{"Host":"a"}}`: "config/headers/Host: ",
	} {
		s := spec("jwt", config, "jwt")
		f, err := b.host.Build(context.Background(), s)
		if err == nil {
			_ = f.Close(context.Background())
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n%v, want %q", config, err, want)
		}
	}
}
