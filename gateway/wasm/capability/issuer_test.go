package capability

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/jose"
)

const ownIssuer = "https://id.example"

// provider is another issuer: a real server with keys that change, metadata,
// and introspection.
type provider struct {
	*httptest.Server
	t       *testing.T
	fetches atomic.Int64 // of keys
	asked   atomic.Int64 // introspection

	mu       sync.Mutex
	keys     []jose.Key
	down     bool
	metadata string // its path
	claimed  string // the issuer that it names, where that is not this one
	jwksURI  string // where it says that the keys are; "" is /jwks
	answer   func(r *http.Request) (int, string)
}

func newProvider(t *testing.T) *provider {
	p := &provider{t: t, keys: []jose.Key{newES256(t)}, metadata: "/.well-known/openid-configuration"}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

// ServeHTTP implements http.Handler.
func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	keys, down, metadata, answer := p.keys, p.down, p.metadata, p.answer
	claimed, jwksURI := p.claimed, p.URL+cmpText(p.jwksURI, "/jwks")
	p.mu.Unlock()
	switch {
	case r.URL.Path == "/introspect" && answer != nil:
		p.asked.Add(1)
		status, body := answer(r)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	case down:
		w.WriteHeader(http.StatusBadGateway)
	case p.URL+r.URL.Path == jwksURI:
		p.fetches.Add(1)
		_ = json.NewEncoder(w).Encode(jose.PublicSet(keys...))
	case r.URL.Path == metadata:
		issuer := p.URL + strings.TrimPrefix(metadata, "/.well-known/oauth-authorization-server")
		if strings.HasSuffix(metadata, "openid-configuration") {
			issuer = p.URL + strings.TrimSuffix(metadata, "/.well-known/openid-configuration")
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": cmpText(claimed, issuer), "jwks_uri": jwksURI})
	default:
		http.NotFound(w, r)
	}
}

func cmpText(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (p *provider) set(down bool, keys ...jose.Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down, p.keys = down, keys
}

func newES256(t testing.TB) jose.Key {
	t.Helper()
	key, err := jose.GenerateES256()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// verifying is a verifier with a clock that a test moves.
type verifying struct {
	*TokenVerifier
	t       *testing.T
	offset  atomic.Int64
	own     jose.Key
	revoked revokedSet
}

func newVerifying(t *testing.T, change ...func(*TokenOptions)) *verifying {
	v := &verifying{t: t, own: newES256(t), revoked: revokedSet{}}
	o := TokenOptions{Issuer: ownIssuer, Keys: jose.StaticSet(v.own), Revocations: v.revoked, Now: v.now}
	for _, f := range change {
		f(&o)
	}
	v.TokenVerifier = NewTokenVerifier(o)
	t.Cleanup(v.Close)
	return v
}

func (v *verifying) now() time.Time          { return time.Now().Add(time.Duration(v.offset.Load())) }
func (v *verifying) advance(d time.Duration) { v.offset.Add(int64(d)) }

// policy registers a policy whose text is the operator's configuration too.
func (v *verifying) policy(format string, args ...any) *TokenPolicy {
	v.t.Helper()
	text := fmt.Appendf(nil, format, args...)
	p, err := v.Policy(text, text)
	if err != nil {
		v.t.Fatal(err)
	}
	return p
}

func (v *verifying) use(p *TokenPolicy, token string, want filterv1.Status) *Credential {
	v.t.Helper()
	c, refusal := v.Verify(v.t.Context(), p, token)
	got, reason := filterv1.StatusOK, error(nil)
	if refusal != nil {
		got, reason = refusal.Status, refusal.Reason
	}
	if got != want {
		v.t.Errorf("%s (%v), want %s", got, reason, want)
	}
	return c
}

// token signs claims of issuer; what c leaves empty is filled in.
func (v *verifying) token(key jose.Key, issuer string, change ...func(*jose.Claims)) string {
	v.t.Helper()
	return v.sign(key, "at+jwt", issuer, change...)
}

func (v *verifying) sign(key jose.Key, typ, issuer string, change ...func(*jose.Claims)) string {
	v.t.Helper()
	c := jose.Claims{Issuer: issuer, Audience: []string{"shop"}, Subject: "ada", ClientID: "app", ID: "t1", ExpiresAt: v.now().Add(time.Hour)}
	for _, f := range change {
		f(&c)
	}
	token, err := jose.Sign(key, typ, c, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	return token
}

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

func TestForeignPrincipal(t *testing.T) {
	idp, v := newProvider(t), newVerifying(t)
	p := v.policy(`{"issuers":[{"issuer":"urn:idp","audience":["shop"],"jwks_uri":"%s/jwks","roles_claim":"realm_access.roles"}],
		"claims":["tenant","realm_access.roles","https://claims.example/org.unit","n","flag","nested","absent","groups"]}`, idp.URL)
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	c := v.use(p, v.token(idp.keys[0], "urn:idp", func(c *jose.Claims) {
		c.ClientID, c.SessionID = "", "s1"
		c.Roles, c.Permissions = []string{"own-role"}, []string{"users:write"}
		c.Extra = map[string]json.RawMessage{
			"scp": raw(`["users:read","admin","users:impersonate"]`), "azp": raw(`"shop-app"`),
			"tenant": raw(`"acme"`), "realm_access": raw(`{"roles":["clerk","a,b",7]}`), "n": raw(`12345678901234567890`), "flag": raw(`true`),
			"nested": raw(`{"a":1}`), "https://claims.example/org.unit": raw(`"R&D"`), "groups": raw(`[]`),
		}
	}), filterv1.StatusOK)
	if c == nil {
		return
	}
	want := identity.Principal{
		Kind: identity.KindUser, Issuer: "urn:idp", Subject: "ada", ClientID: "shop-app", SessionID: "s1", TokenID: "t1",
		Scopes: []string{"users:read"}, Roles: []string{"clerk", "a,b", "7"}, Expires: c.Principal.Expires,
	}
	if diff := cmp.Diff(want, c.Principal); diff != "" {
		t.Error(diff)
	}
	got := map[string]string{}
	p.Attributes(c, func(name, value string) { got[name] = value })
	if diff := cmp.Diff(map[string]string{
		"claim.tenant": "acme", "claim.realm_access.roles": "clerk,7", "claim.https://claims.example/org.unit": "R&D",
		"claim.n": "12345678901234567890", "claim.flag": "true",
	}, got); diff != "" {
		t.Error(diff)
	}
	// The list of revocations is of our own tokens.
	v.revoked["jti:t1"], v.revoked["client:app"] = true, true
	client := v.use(p, v.token(idp.keys[0], "urn:idp", func(c *jose.Claims) { c.Subject = "app" }), filterv1.StatusOK)
	if client == nil || client.Principal.Kind != identity.KindClient {
		t.Errorf("client %+v", client)
	}
	v.use(p, v.token(idp.keys[0], "urn:idp", func(c *jose.Claims) {
		c.Extra = map[string]json.RawMessage{"tenant": raw(`"a\r\nX-Role: admin"`)}
	}), filterv1.StatusInvalid)
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

// TestSourcesAreSharedAndFreed: policies of one source ask once, whoever
// registers them, and leave nothing behind.
func TestSourcesAreSharedAndFreed(t *testing.T) {
	idp, v := newProvider(t), newVerifying(t)
	const text = `{"issuers":[{"issuer":"urn:idp","audience":[%q],"jwks_uri":"%s/jwks"}]}`
	func() {
		same, again := v.policy(text, "shop", idp.URL), v.policy(text, "shop", idp.URL)
		if same != again {
			t.Error("equal texts are two policies")
		}
		other := v.policy(text, "mall", idp.URL)
		v.use(same, v.token(idp.keys[0], "urn:idp"), filterv1.StatusOK)
		v.use(other, v.token(idp.keys[0], "urn:idp"), filterv1.StatusInvalid)
		v.use(other, v.token(idp.keys[0], "urn:idp", func(c *jose.Claims) { c.Audience = []string{"mall"} }), filterv1.StatusOK)
		if n := idp.fetches.Load(); n != 1 {
			t.Errorf("%d fetches", n)
		}
		runtime.KeepAlive(again)
	}()
	deadline := time.Now().Add(5 * time.Second)
	left := func() (policies, sources int) {
		v.policies.mu.Lock()
		defer v.policies.mu.Unlock()
		v.sources.mu.Lock()
		defer v.sources.mu.Unlock()
		return len(v.policies.values), len(v.sources.values)
	}
	for p, s := left(); p+s > 0 && time.Now().Before(deadline); p, s = left() {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	if p, s := left(); p+s > 0 {
		t.Errorf("%d policies and %d sources are left", p, s)
	}
}

// TestPolicyErrors name the field, and what to do.
func TestPolicyErrors(t *testing.T) {
	v := newVerifying(t)
	for text, want := range map[string]string{
		`{`:                                "read policy",
		`{"issuers":[]}`:                   "issuers: want 1 to 16",
		`{"issuers":[{"issuer":"self"}]}`:  "issuers/0/audience: name the audience",
		`{"issuers":[{"audience":["a"]}]}`: "issuers/0/issuer: want",
		`{"issuers":[{"issuer":"self","audience":["a"],"jwk_uri":"x"}]}`:                                                 `unknown field "jwk_uri"`,
		`{"issuers":[{"issuer":"self","audience":["a"],"leeway":"1m"}]}`:                                                 "issuers/0/leeway: the gateway knows this",
		`{"issuers":[{"issuer":"https://id.example","audience":["a"],"jwks_uri":"https://x"}]}`:                          "issuers/0/jwks_uri: the gateway knows this",
		`{"issuers":[{"issuer":"self","audience":["a"]},{"issuer":"https://id.example","audience":["b"]}]}`:              "issuers/1/issuer: \"https://id.example\" is listed twice",
		`{"issuers":[{"issuer":"urn:x","audience":["a"]}]}`:                                                              "issuers/0/issuer: \"urn:x\": want https",
		`{"issuers":[{"issuer":"https://x?a=b","audience":["a"]}]}`:                                                      "issuers/0/issuer: \"https://x?a=b\": its keys can only",
		`{"issuers":[{"issuer":"urn:x","audience":["a"],"jwks_uri":"http://x/jwks"}]}`:                                   "issuers/0/jwks_uri: \"http://x/jwks\": want https",
		`{"issuers":[{"issuer":"urn:x","audience":["a"],"jwks_uri":"https://x","jwks_file":"y"}]}`:                       "want either",
		`{"issuers":[{"issuer":"urn:x","audience":["a"],"jwks_file":"rel.json"}]}`:                                       "issuers/0/jwks_file: \"rel.json\": want an absolute path",
		`{"issuers":[{"issuer":"urn:x","audience":["a"],"jwks_file":"/does/not/exist"}]}`:                                "issuers/0/jwks_file: open /does/not/exist",
		`{"issuers":[{"issuer":"urn:x","audience":["a"],"jwks_uri":"https://x","algorithms":["ES256","HS256"]}]}`:        "issuers/0/algorithms/1: \"HS256\" is not accepted",
		`{"issuers":[{"issuer":"urn:x","audience":["a"],"jwks_uri":"https://x","algorithms":["none"]}]}`:                 "issuers/0/algorithms/0: \"none\" is not accepted",
		`{"issuers":[{"issuer":"urn:x","audience":["a"],"jwks_uri":"https://x","types":["application/gatehouse+jwt"]}]}`: "issuers/0/types/0",
		`{"issuers":[{"issuer":"urn:x","audience":["a"],"jwks_uri":"https://x","leeway":"1h"}]}`:                         "issuers/0/leeway: \"1h\": want a duration from 0s to 5m0s",
		`{"issuers":[{"issuer":"urn:x","audience":["a"],"introspection":{"endpoint":"x"}}]}`:                             "issuers/0/introspection/endpoint",
		`{"issuers":[{"issuer":"urn:x","audience":["a"],"introspection":{"endpoint":"https://x"}}]}`:                     "issuers/0/introspection/client_id",
		`{"issuers":[{"issuer":"urn:x","audience":["a"],"introspection":{"endpoint":"https://x","client_id":"c"}}]}`:     "issuers/0/introspection/client_secret_file",
		`{"issuers":[{"issuer":"self","audience":["a"]}],"claims":[""]}`:                                                 "claims/0",
		`{"issuers":[{"issuer":"urn:x","audience":["a"],"jwks_uri":"https://user:password@x/"}]}`:                        "without user",
	} {
		if _, err := v.Policy([]byte(text), []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n%v, want %q", text, err, want)
		}
	}
}

// TestGuestsReachWhatTheOperatorNamed and nothing else.
func TestGuestsReachWhatTheOperatorNamed(t *testing.T) {
	v := newVerifying(t)
	for _, text := range []string{
		`{"issuers":[{"issuer":"urn:x","audience":["a"],"jwks_uri":"https://x/jwks"}]}`,
		`{"issuers":[{"issuer":"https://x","audience":["a"]}]}`,
		`{"issuers":[{"issuer":"urn:x","audience":["a"],"jwks_file":"/etc/hostname"}]}`,
		`{"issuers":[{"issuer":"urn:x","audience":["a"],"introspection":{"endpoint":"https://x/i","client_id":"c","client_secret_file":"/etc/hostname"}}]}`,
	} {
		for _, config := range []string{``, `{}`, `{"a":"https://x/jwks/"}`, `{"https://x":1,"b":["/etc"]}`, `broken`} {
			if _, err := v.Policy([]byte(text), []byte(config)); err == nil || !strings.Contains(err.Error(), "does not stand in the filter's configuration") {
				t.Errorf("%s with %s: %v", text, config, err)
			}
		}
	}
	named := []byte(`{"deep":[{"er":"https://x/jwks"}]}`)
	if _, err := v.Policy([]byte(`{"issuers":[{"issuer":"urn:x","audience":["a"],"jwks_uri":"https://x/jwks"}]}`), named); err != nil {
		t.Error(err)
	}
}

// TestRememberedTokensAllocateNothing, of any size.
func TestRememberedTokensAllocateNothing(t *testing.T) {
	idp, v := newProvider(t), newVerifying(t)
	p := v.policy(`{"issuers":[{"issuer":"self","audience":["shop"]},{"issuer":"urn:idp","audience":["shop"],"jwks_uri":"%s/jwks"}],"claims":["nonce"]}`, idp.URL)
	for name, token := range map[string]string{
		"own":     v.token(v.own, ownIssuer),
		"foreign": v.token(idp.keys[0], "urn:idp"),
		"large":   v.token(idp.keys[0], "urn:idp", func(c *jose.Claims) { c.Nonce = strings.Repeat("x", 8<<10) }),
	} {
		v.use(p, token, filterv1.StatusOK)
		n := testing.AllocsPerRun(100, func() {
			if _, refusal := v.Verify(nil, p, token); refusal != nil { //nolint:staticcheck // a context that is touched would panic
				t.Error(refusal)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestRememberedTokensEnd(t *testing.T) {
	v := newVerifying(t)
	p := v.policy(`{"issuers":[{"issuer":"self","audience":["shop"]}]}`)
	token := v.token(v.own, ownIssuer, func(c *jose.Claims) { c.ExpiresAt = v.now().Add(time.Minute) })
	v.use(p, token, filterv1.StatusOK)
	v.revoked["jti:t1"] = true
	v.use(p, token, filterv1.StatusRevoked)
	delete(v.revoked, "jti:t1")
	v.use(p, token, filterv1.StatusOK)
	v.advance(61 * time.Second)
	v.use(p, token, filterv1.StatusExpired)

	// A bad signature is remembered, a stranger's kid is not.
	bad := v.token(v.own, ownIssuer)
	bad = bad[:len(bad)-8] + "AAAAAAAA"
	v.use(p, bad, filterv1.StatusInvalid)
	if n := v.bad.len(); n != 1 {
		t.Errorf("%d bad signatures are remembered, want 1", n)
	}
	stranger := newES256(t)
	v.use(p, v.token(stranger, ownIssuer), filterv1.StatusInvalid)
	if n := v.bad.len(); n != 1 {
		t.Errorf("%d bad tokens are remembered, want 1", n)
	}
	for i := range 5000 {
		v.bad.put([32]byte{byte(i), byte(i >> 8)}, nil, 0, int64(i)+1)
	}
	if n := v.bad.len(); n > maxBad {
		t.Errorf("%d bad tokens are remembered", n)
	}
}

func TestClaimPaths(t *testing.T) {
	set, err := readClaimSet([]byte(`{"a":{"b":{"c":"deep"},"b.c":"dotted"},"a.b":{"d":1},"x":null,"l":[["n"],{"o":1},"s",false]}`))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][]string{
		"a.b.c": {"dotted"}, "a.b.d": {"1"}, "x": nil, "a": nil, "": nil, ".": nil, "a.": nil, "a.b.c.d": nil, "l": {"s", "false"},
	} {
		value, _ := set.find(path)
		if got := texts(value); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
	for _, bad := range []string{`[]`, `"a"`, `{`, `1`} {
		if _, err := readClaimSet([]byte(bad)); err == nil {
			t.Errorf("%s is read as claims", bad)
		}
	}
}
