package wasm_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/wasm/capability"
	"gatehouse.example/internal/identity"
)

func TestRateLimit(t *testing.T) {
	b := newBench(t)
	f := b.build(t, "ratelimit", `{"key":"source_address","limits":[{"rate":60,"per":"1m","burst":2}]}`)
	for i, want := range []struct {
		status    int
		state     string
		retry     string
		remaining bool
	}{
		{200, `"default";r=1;t=1`, "", true},
		{200, `"default";r=0;t=2`, "", true},
		{429, `"default";r=0;t=1`, "1", false},
	} {
		ex := newExchange("GET", "/v1/users/1")
		result := run(t, f, ex)
		h := &ex.Response.Header
		if ex.Response.Status != want.status || result.Answered == want.remaining {
			t.Errorf("request %d: status %d, answered %v", i, ex.Response.Status, result.Answered)
		}
		if got := h.Get("RateLimit"); got != want.state {
			t.Errorf("request %d: RateLimit %q, want %q", i, got, want.state)
		}
		if got := h.Get("RateLimit-Policy"); got != `"default";q=2;w=2` {
			t.Errorf("request %d: RateLimit-Policy %q", i, got)
		}
		if got := h.Get("Retry-After"); got != want.retry {
			t.Errorf("request %d: Retry-After %q, want %q", i, got, want.retry)
		}
		if want.status == 429 && (h.Get("Content-Type") != "application/problem+json" || !strings.Contains(string(ex.Response.Body.Bytes), `"code":"rate_limited"`)) {
			t.Errorf("body %s %s", h.Get("Content-Type"), ex.Response.Body.Bytes)
		}
	}
	other := newExchange("GET", "/")
	other.Request.Source = netip.MustParseAddrPort("192.0.2.2:1")
	if run(t, f, other).Answered {
		t.Error("another address is limited too")
	}
	b.clock.advance(time.Second)
	if run(t, f, newExchange("GET", "/")).Answered {
		t.Error("a second later the next request is still limited")
	}
}

// The contract's example: burst 200 at 100 a second.
func TestRateLimitPolicyHeader(t *testing.T) {
	b := newBench(t)
	for config, want := range map[string]string{
		`{"key":"source_address","limits":[{"rate":100,"per":"1s","burst":200}]}`:   `"default";q=200;w=2`,
		`{"limits":[{"rate":100,"per":"60s"}]}`:                                     `"default";q=100;w=60`,
		`{"limits":[{"rate":5,"per":"1s"},{"name":"day","rate":1000,"per":"24h"}]}`: `"default";q=5;w=1, "day";q=1000;w=86400`,
	} {
		ex := newExchange("GET", "/")
		run(t, b.build(t, "ratelimit", config), ex)
		if got := ex.Response.Header.Get("RateLimit-Policy"); got != want {
			t.Errorf("%s: %q, want %q", config, got, want)
		}
	}
}

func TestRateLimitKeys(t *testing.T) {
	principal := func(sub, jti, credential string) func(*exchange.Exchange) {
		return func(ex *exchange.Exchange) {
			ex.Principal = identity.Principal{Kind: identity.KindUser, Subject: sub, TokenID: jti}
			ex.SetAttribute("\x00credential", credential)
		}
	}
	header := func(value string) func(*exchange.Exchange) {
		return func(ex *exchange.Exchange) { ex.Request.Header.Add("X-Tenant", value) }
	}
	source := func(addr string) func(*exchange.Exchange) {
		return func(ex *exchange.Exchange) {
			ex.Request.Source = netip.AddrPortFrom(netip.MustParseAddr(addr), 1)
		}
	}
	for _, c := range []struct {
		name, key string
		a, b      func(*exchange.Exchange)
		same      bool
	}{
		{"addresses differ", "source_address", source("192.0.2.1"), source("192.0.2.2"), false},
		{"one IPv6 network", "source_address", source("2001:db8:1:2::1"), source("2001:db8:1:2:ffff::9"), true},
		{"two IPv6 networks", "source_address", source("2001:db8:1:2::1"), source("2001:db8:1:3::1"), false},
		{"mapped is IPv4", "source_address", source("::ffff:192.0.2.1"), source("192.0.2.1"), true},
		{"subjects", "claim:sub", principal("a", "1", "token"), principal("b", "1", "token"), false},
		{"one subject", "claim:sub", principal("a", "1", "token"), principal("a", "2", "token"), true},
		{"keys", "api_key", principal("a", "1", "key"), principal("a", "2", "key"), false},
		{"a token is no key", "api_key", principal("a", "1", "token"), principal("a", "2", "token"), true},
		{"header", "header:X-Tenant", header("a"), header("b"), false},
		{"one header", "header:x-tenant", header("a"), header("a"), true},
		{"no header counts by address", "header:X-Tenant", source("192.0.2.1"), source("192.0.2.2"), false},
		{"route", "route", source("192.0.2.1"), source("192.0.2.2"), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			f := b.build(t, "ratelimit", `{"key":"`+c.key+`","limits":[{"rate":1,"per":"1h","burst":1}]}`)
			first, second := newExchange("GET", "/"), newExchange("GET", "/")
			c.a(first)
			c.b(second)
			run(t, f, first)
			if got := run(t, f, second).Answered; got != c.same {
				t.Errorf("second request limited: %v, want %v", got, c.same)
			}
		})
	}
}

// A reload must not forget what was counted.
func TestRateLimitSurvivesReload(t *testing.T) {
	b := newBench(t)
	config := `{"limits":[{"rate":1,"per":"1h"}]}`
	run(t, b.build(t, "ratelimit", config), newExchange("GET", "/"))
	if !run(t, b.build(t, "ratelimit", config), newExchange("GET", "/")).Answered {
		t.Error("the new filter allows what the old one had used up")
	}
}

func TestCORS(t *testing.T) {
	const exact = `{"origins":["http://localhost:3000"]}`
	const credentials = `{"origins":["https://app.example"],"credentials":true,"max_age":"1h","methods":["GET"],"headers":["*"],"exposed_headers":[]}`
	const anyone = `{"origins":["*"]}`
	b := newBench(t)
	preflight := []string{"Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "x-one, x-two"}
	for _, c := range []struct {
		name, config, method string
		fields               []string
		answered             bool
		status               int
		want                 map[string]string
	}{
		{"no origin", exact, "GET", nil, false, 200, map[string]string{"Vary": "Origin", "Access-Control-Allow-Origin": ""}},
		{"allowed", exact, "GET", []string{"Origin", "http://localhost:3000"}, false, 200, map[string]string{
			"Vary": "Origin", "Access-Control-Allow-Origin": "http://localhost:3000",
			"Access-Control-Expose-Headers":    "API-Version, ETag, Location, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id",
			"Access-Control-Allow-Credentials": ""}},
		{"foreign", exact, "GET", []string{"Origin", "http://localhost:3001"}, false, 200, map[string]string{"Vary": "Origin", "Access-Control-Allow-Origin": ""}},
		{"prefix is foreign", exact, "GET", []string{"Origin", "http://localhost:30000"}, false, 200, map[string]string{"Access-Control-Allow-Origin": ""}},
		{"null is foreign", exact, "GET", []string{"Origin", "null"}, false, 200, map[string]string{"Access-Control-Allow-Origin": ""}},
		{"preflight", exact, "OPTIONS", append([]string{"Origin", "http://localhost:3000"}, preflight...), true, 204, map[string]string{
			"Vary":                         "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
			"Access-Control-Allow-Origin":  "http://localhost:3000",
			"Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
			"Access-Control-Allow-Headers": "API-Version, Authorization, Content-Type, DPoP, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, X-API-Key, X-Request-Id",
			"Access-Control-Max-Age":       "600", "Content-Type": ""}},
		{"foreign preflight", exact, "OPTIONS", append([]string{"Origin", "http://evil.example"}, preflight...), true, 403, map[string]string{
			"Vary":                        "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
			"Access-Control-Allow-Origin": "", "Access-Control-Allow-Methods": ""}},
		{"plain OPTIONS", exact, "OPTIONS", []string{"Origin", "http://localhost:3000"}, false, 200, map[string]string{"Access-Control-Allow-Origin": "http://localhost:3000"}},
		{"credentials", credentials, "GET", []string{"Origin", "https://app.example"}, false, 200, map[string]string{
			"Access-Control-Allow-Origin": "https://app.example", "Access-Control-Allow-Credentials": "true", "Access-Control-Expose-Headers": "", "Vary": "Origin"}},
		{"credentials preflight", credentials, "OPTIONS", append([]string{"Origin", "https://app.example"}, preflight...), true, 204, map[string]string{
			"Access-Control-Allow-Origin": "https://app.example", "Access-Control-Allow-Credentials": "true",
			"Access-Control-Allow-Methods": "GET", "Access-Control-Allow-Headers": "x-one, x-two", "Access-Control-Max-Age": "3600"}},
		{"anyone", anyone, "GET", []string{"Origin", "https://x.example"}, false, 200, map[string]string{"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Credentials": "", "Vary": ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ex := newExchange(c.method, "/v1/me", c.fields...)
			result := run(t, b.build(t, "cors", c.config), ex)
			if result.Answered != c.answered || ex.Response.Status != c.status {
				t.Errorf("answered %v with %d, want %v with %d", result.Answered, ex.Response.Status, c.answered, c.status)
			}
			for name, want := range c.want {
				if got := ex.Response.Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
		})
	}
}

// An upstream must not open what the gateway keeps closed.
func TestCORSOverridesUpstream(t *testing.T) {
	f := newBench(t).build(t, "cors", `{"origins":["http://localhost:3000"]}`)
	ex := newExchange("GET", "/", "Origin", "https://evil.example")
	if _, err := f.HandleRequest(t.Context(), ex); err != nil {
		t.Fatal(err)
	}
	ex.Response.Header.Add("Access-Control-Allow-Origin", "*")
	ex.Response.Header.Add("Access-Control-Allow-Credentials", "true")
	ex.Response.Header.Add("Vary", "Accept-Encoding, origin")
	ex.ApplyDeferred()
	h := &ex.Response.Header
	if h.Has("Access-Control-Allow-Origin") || h.Has("Access-Control-Allow-Credentials") || h.Get("Vary") != "Accept-Encoding, origin" {
		t.Errorf("header %+v", h)
	}
}

const goodKey = "gatehouse_dev_0197a0aa000070008000000000000001_SECRETSECRETSECRETSECRETSECRET"

func TestAPIKey(t *testing.T) {
	b := newBench(t)
	key := withChecksum(goodKey)
	b.keys.keys[key] = capability.APIKey{ID: "key-1", OwnerKind: "client", OwnerID: "shop", Scopes: []string{"users:read"}}
	f := b.build(t, "apikey", "", "key")

	refused := func(name string, status int, code string, fields ...string) {
		t.Helper()
		ex := newExchange("GET", "/", fields...)
		if !run(t, f, ex).Answered || ex.Response.Status != status || !strings.Contains(string(ex.Response.Body.Bytes), code) {
			t.Errorf("%s: %d %s", name, ex.Response.Status, ex.Response.Body.Bytes)
		}
		if status == 401 && !ex.Response.Header.Has("WWW-Authenticate") {
			t.Errorf("%s: 401 without WWW-Authenticate", name)
		}
		if ex.Principal.Authenticated() {
			t.Errorf("%s: the principal is set", name)
		}
	}
	absent := newExchange("GET", "/")
	if run(t, f, absent).Answered || absent.Principal.Authenticated() {
		t.Error("a request without a key does not pass as nobody")
	}
	for range 2 {
		ex := newExchange("GET", "/", "x-api-key", key)
		run(t, f, ex)
		if p := ex.Principal; p.Kind != identity.KindClient || p.Subject != "shop" || p.TokenID != "key-1" || !p.HasScope("users:read") {
			t.Errorf("principal %+v", p)
		}
	}
	if b.keys.asked != 1 {
		t.Errorf("the authority was asked %d times, want once", b.keys.asked)
	}
	refused("wrong checksum", 401, "key_invalid", "X-API-Key", key[:len(key)-1]+"x")
	refused("empty", 401, "key_invalid", "X-API-Key", "")
	refused("two keys", 401, "key_invalid", "X-API-Key", key, "X-API-Key", key)
	if b.keys.asked != 1 {
		t.Error("the authority was asked for keys that cannot be")
	}
	unknown := withChecksum(goodKey + "X")
	refused("unknown", 401, "key_invalid", "X-API-Key", unknown)
	refused("unknown again", 401, "key_invalid", "X-API-Key", unknown)
	if b.keys.asked != 2 {
		t.Errorf("the authority was asked %d times, want twice", b.keys.asked)
	}
	b.keys.down = errors.New("connection refused")
	refused("authority down", 503, "unavailable", "X-API-Key", withChecksum(goodKey+"Y"))
	b.revoked.revoke("key", "key-1")
	refused("revoked", 401, "key_invalid", "X-API-Key", key)
}

func TestJWT(t *testing.T) {
	b := newBench(t)
	f := b.build(t, "jwt", `{"issuers":[{"issuer":"self","audience":["gatehouse"]}],"claims":["tenant"],"resource_metadata":"https://id.example/.well-known/oauth-protected-resource"}`, "jwt")
	good := claims{Subject: "user-1", ClientID: "app", Scope: "users:read users:write", SessionID: "s1", ID: "t1", Roles: []string{"admin"},
		Extra: map[string]rawJSON{"tenant": rawJSON(`"acme"`)}}
	ex := newExchange("GET", "/", "Authorization", "bearer "+b.token(t, good))
	if run(t, f, ex).Answered {
		t.Fatalf("good token refused: %s", ex.Response.Body.Bytes)
	}
	if p := ex.Principal; p.Kind != identity.KindUser || p.Subject != "user-1" || p.ClientID != "app" || p.SessionID != "s1" || !p.HasScope("users:write") || !p.HasRole("admin") || p.Expires.IsZero() {
		t.Errorf("principal %+v", p)
	}
	if v, _ := ex.Attribute("claim.tenant"); v != "acme" {
		t.Errorf("claim.tenant %q", v)
	}
	if ex.Credential == [32]byte{} {
		t.Error("the credential's digest is not set")
	}
	client := newExchange("GET", "/", "Authorization", "Bearer "+b.token(t, claims{Subject: "app", ClientID: "app"}))
	run(t, f, client)
	if client.Principal.Kind != identity.KindClient {
		t.Errorf("a client's token makes a %s", client.Principal.Kind)
	}

	foreign := newBench(t)
	b.revoked.revoke("jti", "revoked-token")
	b.revoked.revoke("session", "revoked-session")
	valid := b.token(t, claims{})
	for _, c := range []struct {
		name, header, want string
		status             int
	}{
		{"garbage", "Bearer x.y.z", "invalid_token", 401},
		{"nothing behind Bearer", "Bearer ", "invalid_token", 401},
		{"expired", "Bearer " + b.token(t, claims{ExpiresAt: b.clock.Now().Add(-time.Second)}), "expired", 401},
		{"foreign issuer", "Bearer " + b.token(t, claims{Issuer: "https://other.example"}), "invalid_token", 401},
		{"foreign key", "Bearer " + foreign.token(t, claims{}), "invalid_token", 401},
		{"foreign audience", "Bearer " + b.token(t, claims{Audience: []string{"shop"}}), "invalid_token", 401},
		{"id token", "Bearer " + b.sign(t, "JWT", claims{}, nil), "invalid_token", 401},
		{"internal token", "Bearer " + b.sign(t, "gatehouse+jwt", claims{}, nil), "invalid_token", 401},
		{"certificate chain", "Bearer " + b.sign(t, "at+jwt", claims{}, map[string]any{"x5c": []string{"AA=="}}), "invalid_token", 401},
		{"bound to a key", "Bearer " + b.token(t, claims{Extra: map[string]rawJSON{"cnf": rawJSON(`{"jkt":"x"}`)}}), "invalid_token", 401},
		{"changed", "Bearer " + valid[:len(valid)-4] + "AAAA", "invalid_token", 401},
		{"revoked token", "Bearer " + b.token(t, claims{ID: "revoked-token"}), "revoked", 401},
		{"revoked session", "Bearer " + b.token(t, claims{SessionID: "revoked-session"}), "revoked", 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			ex := newExchange("GET", "/", "Authorization", c.header)
			run(t, f, ex)
			challenge := ex.Response.Header.Get("WWW-Authenticate")
			if ex.Response.Status != c.status || !strings.Contains(challenge, c.want) {
				t.Errorf("%d, WWW-Authenticate %q, want %d with %q", ex.Response.Status, challenge, c.status, c.want)
			}
			if !strings.HasPrefix(challenge, `Bearer error="invalid_token"`) || !strings.HasSuffix(challenge, `resource_metadata="https://id.example/.well-known/oauth-protected-resource"`) {
				t.Errorf("WWW-Authenticate %q", challenge)
			}
			if ex.Principal.Authenticated() {
				t.Error("the principal is set")
			}
		})
	}
	for name, header := range map[string]string{"no credential": "", "another scheme": "Basic YTpi"} {
		ex := newExchange("GET", "/")
		if header != "" {
			ex.Request.Header.Add("Authorization", header)
		}
		if run(t, f, ex).Answered || ex.Principal.Authenticated() {
			t.Errorf("%s: not passed as nobody", name)
		}
	}
}

// A remembered token must not outlive its end or a revocation.
func TestJWTCacheEnds(t *testing.T) {
	b := newBench(t)
	f := b.build(t, "jwt", "", "jwt")
	status := func(token string) int {
		ex := newExchange("GET", "/", "Authorization", "Bearer "+token)
		run(t, f, ex)
		return ex.Response.Status
	}
	token := b.token(t, claims{SessionID: "s9"})
	if first, second := status(token), status(token); first != 200 || second != 200 {
		t.Fatal("a good token is refused")
	}
	b.clock.advance(4 * time.Minute)
	if status(token) != 200 {
		t.Error("refused before its end")
	}
	b.clock.advance(2 * time.Minute)
	if status(token) != 401 {
		t.Error("accepted after its end")
	}
	token = b.token(t, claims{SessionID: "s9"})
	if status(token) != 200 {
		t.Fatal("a good token is refused")
	}
	b.revoked.revoke("session", "s9")
	if status(token) != 401 {
		t.Error("accepted after its session was revoked")
	}
}

func TestCredentialsAreAlternatives(t *testing.T) {
	b := newBench(t)
	key := withChecksum(goodKey)
	b.keys.keys[key] = capability.APIKey{ID: "key-1", OwnerKind: "user", OwnerID: "u"}
	apikey, jwt := b.build(t, "apikey", "", "key"), b.build(t, "jwt", "", "jwt")
	ex := newExchange("GET", "/", "X-API-Key", key, "Authorization", "Bearer "+b.token(t, claims{}))
	if run(t, apikey, ex).Answered {
		t.Fatal("the key alone is refused")
	}
	run(t, jwt, ex)
	if ex.Response.Status != 400 {
		t.Errorf("both credentials: %d, want 400", ex.Response.Status)
	}
	ex = newExchange("GET", "/", "X-API-Key", key)
	run(t, apikey, ex)
	if run(t, jwt, ex).Answered || ex.Principal.Subject != "u" {
		t.Errorf("a key alone does not pass both filters: %d", ex.Response.Status)
	}
}
