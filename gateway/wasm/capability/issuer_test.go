package capability

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/internal/jose"
)

// TestIssuersKeys finds the keys of other issuers in each way.
func TestIssuersKeys(t *testing.T) {
	for name, c := range map[string]struct {
		path, metadata, source string
	}{
		"jwks_uri":                    {"/any", "/none", `,"jwks_uri":"%[1]s/jwks"`},
		"OpenID Connect Discovery":    {"", "/.well-known/openid-configuration", ""},
		"its path":                    {"/realms/a", "/realms/a/.well-known/openid-configuration", ""},
		"RFC 8414":                    {"", "/.well-known/oauth-authorization-server", ""},
		"RFC 8414, before the path":   {"/tenant", "/.well-known/oauth-authorization-server/tenant", ""},
		"jwks_file":                   {"/file", "/none", `,"jwks_file":"keys.json"`},
		"jwks_file with its own path": {"/file", "/none", `,"jwks_file":"%[2]s/keys.json"`},
	} {
		t.Run(name, func(t *testing.T) {
			idp, dir := newProvider(t), t.TempDir()
			idp.metadata = c.metadata
			set, err := json.Marshal(jose.PublicSet(idp.keys...))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "keys.json"), set, 0o600); err != nil {
				t.Fatal(err)
			}
			v := newVerifying(t, func(o *TokenOptions) { o.BaseDir = dir })
			source := strings.NewReplacer("%[1]s", idp.URL, "%[2]s", dir).Replace(c.source)
			issuer := idp.URL + c.path
			p := v.policy(`{"issuers":[{"issuer":"self","audience":["gatehouse"]},{"issuer":%q,"audience":["shop"]%s}]}`, issuer, source)
			credential := v.use(p, v.token(idp.keys[0], issuer), filterv1.StatusOK)
			if credential == nil || credential.Principal.Issuer != issuer {
				t.Errorf("credential %+v", credential)
			}
			v.use(p, v.token(v.own, issuer), filterv1.StatusInvalid)
			v.use(p, v.token(idp.keys[0], ownIssuer, func(c *jose.Claims) { c.Audience = []string{"gatehouse"} }), filterv1.StatusInvalid)
			own := v.use(p, v.token(v.own, ownIssuer, func(c *jose.Claims) { c.Audience = []string{"gatehouse"} }), filterv1.StatusOK)
			if own == nil || own.Principal.Issuer != "" {
				t.Errorf("own credential %+v", own)
			}
		})
	}
}

// TestMetadataOfAnother: RFC 8414 §3.3.
func TestMetadataOfAnother(t *testing.T) {
	idp, v := newProvider(t), newVerifying(t)
	idp.claimed = idp.URL + "/"
	p := v.policy(`{"issuers":[{"issuer":%q,"audience":["shop"]}]}`, idp.URL)
	v.use(p, v.token(idp.keys[0], idp.URL), filterv1.StatusUnavailable)
	if n := idp.fetches.Load(); n != 0 {
		t.Errorf("keys were fetched %d times by another issuer's metadata", n)
	}
}

// TestMetadataLeadsOutside: the operator named the issuer; where its metadata
// sends us beyond it must be public.
func TestMetadataLeadsOutside(t *testing.T) {
	inside, v := newProvider(t), newVerifying(t)
	inside.metadata = "/none"
	idp := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, `{"issuer":"http://%s","jwks_uri":"%s/jwks"}`, r.Host, inside.URL)
	}))
	defer idp.Close()
	p := v.policy(`{"issuers":[{"issuer":%q,"audience":["shop"]}]}`, idp.URL)
	v.use(p, v.token(inside.keys[0], idp.URL), filterv1.StatusUnavailable)
	if n := inside.fetches.Load(); n != 0 {
		t.Error("an issuer's metadata led into a private network")
	}
}

// TestKeysMove: metadata is read again where its keys are no longer there.
func TestKeysMove(t *testing.T) {
	idp, v := newProvider(t), newVerifying(t)
	p := v.policy(`{"issuers":[{"issuer":%q,"audience":["shop"]}]}`, idp.URL)
	v.use(p, v.token(idp.keys[0], idp.URL), filterv1.StatusOK)
	next := newES256(t)
	idp.set(false, next)
	idp.mu.Lock()
	idp.jwksURI = "/moved"
	idp.mu.Unlock()
	v.advance(11 * time.Second)
	v.use(p, v.token(next, idp.URL), filterv1.StatusUnavailable) // finds out
	v.advance(21 * time.Second)
	v.use(p, v.token(next, idp.URL), filterv1.StatusOK)
}

// TestForeignTokensAreRefused: everything that is not quite right.
func TestForeignTokensAreRefused(t *testing.T) {
	idp, v := newProvider(t), newVerifying(t)
	p := v.policy(`{"issuers":[{"issuer":"urn:idp","audience":["shop"],"jwks_uri":"%s/jwks","required_claims":{"tenant":["acme","beta"],"org.id":[]}}]}`, idp.URL)
	key := idp.keys[0]
	complete := func(c *jose.Claims) {
		c.Extra = map[string]json.RawMessage{"tenant": json.RawMessage(`["x","beta"]`), "org": json.RawMessage(`{"id":1}`)}
	}
	with := func(f func(*jose.Claims)) string { return v.token(key, "urn:idp", complete, f) }
	v.use(p, with(func(*jose.Claims) {}), filterv1.StatusOK)
	v.use(p, with(func(c *jose.Claims) { c.Audience = []string{"x", "shop"} }), filterv1.StatusOK)
	v.use(p, with(func(c *jose.Claims) { c.IssuedAt, c.NotBefore = v.now().Add(4*time.Second), v.now().Add(4*time.Second) }), filterv1.StatusOK)
	v.use(p, with(func(c *jose.Claims) { c.ExpiresAt = v.now().Add(-3 * time.Second) }), filterv1.StatusOK)
	v.use(p, v.sign(key, "application/AT+JWT", "urn:idp", complete), filterv1.StatusOK)
	for _, c := range []struct {
		name, token string
		want        filterv1.Status
	}{
		{"expired", with(func(c *jose.Claims) { c.ExpiresAt = v.now().Add(-6 * time.Second) }), filterv1.StatusExpired},
		{"no end", with(func(c *jose.Claims) { c.ExpiresAt = time.Time{} }), filterv1.StatusExpired},
		{"not yet", with(func(c *jose.Claims) { c.NotBefore = v.now().Add(10 * time.Second) }), filterv1.StatusInvalid},
		{"from the future", with(func(c *jose.Claims) { c.IssuedAt = v.now().Add(10 * time.Second) }), filterv1.StatusInvalid},
		{"another audience", with(func(c *jose.Claims) { c.Audience = []string{"shops", "sho"} }), filterv1.StatusInvalid},
		{"no audience", with(func(c *jose.Claims) { c.Audience = nil }), filterv1.StatusInvalid},
		{"another issuer", v.token(key, "urn:idp/", complete), filterv1.StatusInvalid},
		{"no issuer", v.token(key, "", complete), filterv1.StatusInvalid},
		{"no subject", with(func(c *jose.Claims) { c.Subject = "" }), filterv1.StatusInvalid},
		{"id token", v.sign(key, "JWT", "urn:idp", complete), filterv1.StatusInvalid},
		{"no type", v.sign(key, "", "urn:idp", complete), filterv1.StatusInvalid},
		{"internal token", v.sign(key, "gatehouse+jwt", "urn:idp", complete), filterv1.StatusInvalid},
		{"required claim missing", v.token(key, "urn:idp"), filterv1.StatusInvalid},
		{"required value missing", with(func(c *jose.Claims) { c.Extra["tenant"] = json.RawMessage(`"gamma"`) }), filterv1.StatusInvalid},
		{"bound to a key", with(func(c *jose.Claims) { c.Extra["cnf"] = json.RawMessage(`{"jkt":"x"}`) }), filterv1.StatusForbidden},
		{"our own key", v.token(v.own, "urn:idp", complete), filterv1.StatusInvalid},
		{"too long", with(func(c *jose.Claims) { c.Nonce = strings.Repeat("x", jose.MaxTokenBytes) }), filterv1.StatusInvalid},
		{"opaque", "2YotnFZFEjr1zCsicMWpAA", filterv1.StatusInvalid},
		{"garbage", "a.b.c", filterv1.StatusInvalid},
		{"empty", "", filterv1.StatusInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 2 { // the second time from memory, where it is remembered
				c2, refusal := v.Verify(t.Context(), p, c.token)
				if c2 != nil || refusal == nil || refusal.Status != c.want {
					t.Errorf("%+v, %+v, want %s", c2, refusal, c.want)
				}
				if refusal != nil && refusal.Reason != nil && len(c.token) > 20 && strings.Contains(refusal.Reason.Error(), c.token[len(c.token)-20:]) {
					t.Errorf("the reason holds the token: %v", refusal.Reason)
				}
			}
		})
	}
	// Types of issuers that do not follow RFC 9068, by setting only.
	old := v.policy(`{"issuers":[{"issuer":"urn:idp","audience":["shop"],"jwks_uri":"%s/jwks","types":["JWT",""]}]}`, idp.URL)
	v.use(old, v.sign(key, "JWT", "urn:idp"), filterv1.StatusOK)
	v.use(old, v.sign(key, "", "urn:idp"), filterv1.StatusOK)
	v.use(old, v.token(key, "urn:idp"), filterv1.StatusInvalid)
}

// TestKeysRotate: a new key is found, a withdrawn one ends, and an outage
// changes nothing for a day.
func TestKeysRotate(t *testing.T) {
	idp, v := newProvider(t), newVerifying(t)
	long := func(c *jose.Claims) { c.ExpiresAt = v.now().Add(100 * time.Hour) }
	p := v.policy(`{"issuers":[{"issuer":"urn:idp","audience":["shop"],"jwks_uri":"%s/jwks"}]}`, idp.URL)
	first, second := idp.keys[0], newES256(t)
	withFirst := v.token(first, "urn:idp", long)
	v.use(p, withFirst, filterv1.StatusOK)

	idp.set(false, first, second)
	v.advance(11 * time.Second)
	v.use(p, v.token(second, "urn:idp", long), filterv1.StatusOK)
	v.use(p, withFirst, filterv1.StatusOK)

	idp.set(false, second)
	v.advance(30 * time.Minute) // the token is no longer remembered, the keys are old
	v.use(p, withFirst, filterv1.StatusInvalid)
	v.use(p, v.token(second, "urn:idp", long), filterv1.StatusOK)

	idp.set(true, second)
	v.advance(20 * time.Hour)
	v.use(p, v.token(second, "urn:idp", long), filterv1.StatusOK)
	v.use(p, v.token(newES256(t), "urn:idp", long), filterv1.StatusUnavailable)
	v.advance(20 * time.Hour)
	v.use(p, v.token(second, "urn:idp", long), filterv1.StatusUnavailable)
	idp.set(false, second)
	v.advance(time.Hour)
	v.use(p, v.token(second, "urn:idp", long), filterv1.StatusOK)
}

func TestKeyFileIsReadAgain(t *testing.T) {
	first, second := newES256(t), newES256(t)
	file := filepath.Join(t.TempDir(), "keys.json")
	write := func(keys ...jose.Key) {
		data, err := json.Marshal(jose.PublicSet(keys...))
		if err == nil {
			err = os.WriteFile(file, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write(first)
	v := newVerifying(t)
	p := v.policy(`{"issuers":[{"issuer":"urn:idp","audience":["shop"],"jwks_file":%q}]}`, file)
	v.use(p, v.token(first, "urn:idp"), filterv1.StatusOK)
	v.use(p, v.token(second, "urn:idp"), filterv1.StatusInvalid)
	write(second)
	v.advance(3 * time.Second)
	v.use(p, v.token(second, "urn:idp"), filterv1.StatusOK)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	v.advance(10 * time.Second)
	v.use(p, v.token(second, "urn:idp", func(c *jose.Claims) { c.ID = "t2" }), filterv1.StatusOK)
}

// TestMadeUpTokensFetchNothing: strangers cannot make the gateway ask.
func TestMadeUpTokensFetchNothing(t *testing.T) {
	idp, v := newProvider(t), newVerifying(t)
	p := v.policy(`{"issuers":[{"issuer":"urn:idp","audience":["shop"],"jwks_uri":"%s/jwks"}]}`, idp.URL)
	stranger := newES256(t)
	for _, token := range []string{
		"garbage", "a.b.c", v.token(stranger, "https://elsewhere.example"), v.sign(stranger, "JWT", "urn:idp"),
		v.token(stranger, "urn:idp", func(c *jose.Claims) { c.Audience = nil }),
		v.token(stranger, "urn:idp", func(c *jose.Claims) { c.ExpiresAt = v.now().Add(-time.Hour) }),
	} {
		if _, refusal := v.Verify(t.Context(), p, token); refusal == nil {
			t.Error("accepted")
		}
	}
	if n := idp.fetches.Load(); n != 0 {
		t.Errorf("%d fetches for tokens that no key could save", n)
	}
	for i := range 200 {
		stranger.KID = fmt.Sprint("made-up-", i)
		v.use(p, v.token(stranger, "urn:idp"), filterv1.StatusInvalid)
	}
	if n := idp.fetches.Load(); n != 1 {
		t.Errorf("%d fetches for 200 made-up keys", n)
	}
}
