package capability

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

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
