package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse.example/internal/oidctest"
	"gatehouse.example/sdk/social"
	"gatehouse.example/sdk/social/socialtest"
)

func configFor(t *testing.T, issuer string, change ...any) json.RawMessage {
	t.Helper()
	members := map[string]any{"issuer": issuer, "client_id": oidctest.ClientID, "client_secret": oidctest.ClientSecret, "allow_loopback_http": true}
	for i := 0; i+1 < len(change); i += 2 {
		members[change[i].(string)] = change[i+1]
	}
	config, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

var grace = map[string]any{"sub": "c1", "email": "grace@example.com", "email_verified": true, "name": "Grace Hopper"}

// TestConformance runs the kit against the compiled plugin and a real provider.
func TestConformance(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "social-oidc")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	issuer := oidctest.New(t)
	issuer.Set(oidctest.Behaviour{Person: grace})
	socialtest.Run(t, socialtest.Options{
		New:    func(t *testing.T) social.Provider { return socialtest.Start(t, binary) },
		Config: configFor(t, issuer.URL),
		SignIn: func(t *testing.T, authorizationURL string) url.Values {
			_, parameters := issuer.Authorize(t, authorizationURL)
			return parameters
		},
		Want: social.Identity{Issuer: issuer.URL, Subject: "c1", Email: "grace@example.com"},
	})
}

func configured(t *testing.T, config json.RawMessage) *provider {
	t.Helper()
	p := &provider{}
	if err := p.Configure(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	return p
}

// challenge is the S256 challenge of the verifier (RFC 7636 Appendix B).
const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

var authorization = social.Authorization{
	State: strings.Repeat("s", 43), Nonce: strings.Repeat("n", 43), RedirectURI: "https://gatehouse.example/login/callback/x", CodeChallenge: challenge,
}

func signIn(t *testing.T, p *provider, issuer *oidctest.Issuer) (social.Identity, error) {
	t.Helper()
	away, err := p.AuthorizationURL(t.Context(), authorization)
	if err != nil {
		return social.Identity{}, err
	}
	_, parameters := issuer.Authorize(t, away)
	return p.Exchange(t.Context(), social.Callback{
		Code: parameters.Get("code"), CodeVerifier: verifier, Nonce: authorization.Nonce, RedirectURI: authorization.RedirectURI,
		Parameters: map[string]string{"iss": parameters.Get("iss")},
	})
}

func TestIdentity(t *testing.T) {
	issuer := oidctest.New(t)
	tests := []struct {
		name      string
		behaviour oidctest.Behaviour
		config    []any
		email     string
		verified  bool
	}{
		{"from the ID token", oidctest.Behaviour{Person: grace}, nil, "grace@example.com", true},
		{"from userinfo", oidctest.Behaviour{Person: grace, UserInfoOnly: true}, nil, "grace@example.com", true},
		{"verified as a string", oidctest.Behaviour{Person: map[string]any{"sub": "c1", "email": "g@example.com", "email_verified": "true"}}, nil, "g@example.com", true},
		{"not verified as a string", oidctest.Behaviour{Person: map[string]any{"sub": "c1", "email": "g@example.com", "email_verified": "false"}}, []any{"email_verified_default", true}, "g@example.com", false},
		{"nothing said", oidctest.Behaviour{Person: map[string]any{"sub": "c1", "email": "g@example.com"}}, nil, "g@example.com", false},
		{"nothing said, default", oidctest.Behaviour{Person: map[string]any{"sub": "c1", "email": "g@example.com"}}, []any{"email_verified_default", true}, "g@example.com", true},
		{"no address, default", oidctest.Behaviour{Person: map[string]any{"sub": "c1"}}, []any{"email_verified_default", true}, "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			issuer.Set(test.behaviour)
			who, err := signIn(t, configured(t, configFor(t, issuer.URL, test.config...)), issuer)
			if err != nil || who.Issuer != issuer.URL || who.Subject != "c1" || who.Email != test.email || who.EmailVerified != test.verified {
				t.Errorf("%+v, %v", who, err)
			}
		})
	}
}

// TestKinds holds what becomes of everything that can be wrong at the far end.
func TestKinds(t *testing.T) {
	elsewhere := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(elsewhere.Close)
	tests := []struct {
		name      string
		behaviour oidctest.Behaviour
		config    []any
		want      social.Kind
		says      string
	}{
		{"down", oidctest.Behaviour{Down: true}, nil, social.KindTemporary, "discovery"},
		{"flood", oidctest.Behaviour{Flood: true}, nil, social.KindTemporary, "too large"},
		{"redirect elsewhere", oidctest.Behaviour{RedirectTo: elsewhere.URL}, nil, social.KindTemporary, "refused"},
		{"wrong secret", oidctest.Behaviour{}, []any{"client_secret", "wrong"}, social.KindMisconfigured, "invalid_client"},
		{"foreign key", oidctest.Behaviour{ForeignKey: true}, nil, social.KindInvalid, "signature"},
		{"unsigned", oidctest.Behaviour{Unsigned: true}, nil, social.KindInvalid, ""},
		{"expired", oidctest.Behaviour{Change: map[string]any{"exp": time.Now().Add(-time.Minute).Unix()}}, nil, social.KindInvalid, "expired"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			issuer := oidctest.New(t)
			test.behaviour.Person = grace
			issuer.Set(test.behaviour)
			who, err := signIn(t, configured(t, configFor(t, issuer.URL, test.config...)), issuer)
			if err == nil || social.KindOf(err) != test.want || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%+v, %v (kind %v), want kind %v that says %q", who, err, social.KindOf(err), test.want, test.says)
			}
		})
	}
	issuer := oidctest.New(t)
	_, err := configured(t, configFor(t, issuer.URL+"/")).AuthorizationURL(t.Context(), authorization)
	if social.KindOf(err) != social.KindMisconfigured {
		t.Errorf("another spelling of the issuer: %v", err)
	}
}

// TestMetadataIsKept: sign-ins cost the provider no discovery each, and one that
// is down is not asked by all of them.
func TestMetadataIsKept(t *testing.T) {
	issuer := oidctest.New(t)
	now := time.Now()
	p := &provider{now: func() time.Time { return now }}
	if err := p.Configure(t.Context(), configFor(t, issuer.URL)); err != nil {
		t.Fatal(err)
	}
	ask := func(n int) (failed int) {
		for range n {
			if _, err := p.AuthorizationURL(t.Context(), authorization); err != nil {
				failed++
			}
		}
		return failed
	}
	issuer.Set(oidctest.Behaviour{Down: true})
	if failed := ask(5); failed != 5 || issuer.Requests() != 1 {
		t.Errorf("down: %d failed, %d requests", failed, issuer.Requests())
	}
	now = now.Add(2 * time.Second)
	issuer.Set(oidctest.Behaviour{})
	if failed := ask(5); failed != 0 || issuer.Requests() != 2 {
		t.Errorf("up: %d failed, %d requests", failed, issuer.Requests())
	}
	// What is old goes on while the provider is down.
	now = now.Add(2 * time.Hour)
	issuer.Set(oidctest.Behaviour{Down: true})
	if failed := ask(5); failed != 0 || issuer.Requests() != 3 {
		t.Errorf("old: %d failed, %d requests", failed, issuer.Requests())
	}
}

func TestGivesUpOnSilentProvider(t *testing.T) {
	issuer := oidctest.New(t)
	issuer.Set(oidctest.Behaviour{Person: grace})
	p := configured(t, configFor(t, issuer.URL))
	if _, err := signIn(t, p, issuer); err != nil {
		t.Fatal(err)
	}
	issuer.Set(oidctest.Behaviour{Silent: true})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := p.Exchange(ctx, social.Callback{Code: "x", Nonce: "n", Parameters: map[string]string{"iss": issuer.URL}}); err == nil || social.KindOf(err) != social.KindTemporary {
		t.Errorf("Exchange: %v", err)
	}
}

func TestConfig(t *testing.T) {
	for config, want := range map[string]string{
		`{}`:                             "issuer",
		`{"issuer":"https://i.example"}`: "client_id",
		`{"issuer":"http://i.example","client_id":"c"}`:                                                            "https",
		`{"issuer":"http://i.example","client_id":"c","allow_loopback_http":true}`:                                 "https",
		`{"issuer":"http://127.0.0.1:1","client_id":"c"}`:                                                          "https",
		`{"issuer":"https://user:secret-x@i.example","client_id":"c"}`:                                             "absolute",
		`{"issuer":"i.example","client_id":"c"}`:                                                                   "absolute",
		`{"issuer":"https://i.example","client_id":"c","token_endpoint_auth_method":"client_secret_post"}`:         "client_secret",
		`{"issuer":"https://i.example","client_id":"c","client_secret":"s","token_endpoint_auth_method":"none"}`:   "none",
		`{"issuer":"https://i.example","client_id":"c","client_secret":"s","token_endpoint_auth_method":"signed"}`: "signed",
	} {
		err := (&provider{}).Configure(t.Context(), json.RawMessage(config))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret-x") {
			t.Errorf("%s: %v, want it to say %q", config, err, want)
		}
	}
	c, err := decodeConfig(json.RawMessage(`{"issuer":"https://i.example","client_id":"c","scopes":["email"]}`))
	if err != nil || strings.Join(c.Scopes, " ") != "openid email" || c.TokenEndpointAuthMethod != methodNone {
		t.Errorf("%+v, %v", c, err)
	}
}
