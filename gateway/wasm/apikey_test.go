package wasm_test

import (
	"strings"
	"testing"
	"time"

	"gatehouse.example/gateway/filter"
	"gatehouse.example/gateway/wasm"
	"gatehouse.example/gateway/wasm/capability"
)

// The key reaches neither the next filter nor the upstream, whatever it is
// worth: what they see is what is left of the request.
func TestAPIKeyGoesNoFurther(t *testing.T) {
	b := newBench(t)
	good, unknown := withChecksum(goodKey), withChecksum(goodKey+"X")
	b.keys.keys[good] = capability.APIKey{ID: "key-1", OwnerKind: "client", OwnerID: "shop"}
	f := b.build(t, "apikey", `{"cookie":"shop_key","query":"t"}`, "key")
	for _, c := range []struct {
		name, key string
		status    int
	}{{"good", good, 200}, {"unknown", unknown, 401}, {"malformed", "secretsecret", 401}} {
		for place, request := range map[string]struct {
			uri    string
			fields []string
		}{
			"header": {"/v1/orders?a=%2f", []string{"X-Api-Key", c.key}},
			"cookie": {"/v1/orders?a=%2f", []string{"Cookie", "theme=dark; shop_key=" + c.key + "; id=1"}},
			"query":  {"/v1/orders?a=%2f&t=" + c.key, nil},
		} {
			t.Run(c.name+" in "+place, func(t *testing.T) {
				ex := newExchange("GET", request.uri, request.fields...)
				run(t, f, ex)
				if ex.Response.Status != c.status || ex.Principal.Authenticated() != (c.status == 200) {
					t.Errorf("%d %s", ex.Response.Status, ex.Response.Body.Bytes)
				}
				left := ex.Request.URI()
				for i := range ex.Request.Header.Len() {
					left += " " + ex.Request.Header.At(i).Value
				}
				if strings.Contains(left, c.key) || ex.Request.URI() != "/v1/orders?a=%2f" {
					t.Errorf("what is left of the request: %s", left)
				}
				if place == "cookie" && ex.Request.Header.Get("Cookie") != "theme=dark; id=1" {
					t.Errorf("Cookie: %s", ex.Request.Header.Get("Cookie"))
				}
				if place == "query" && !ex.QueryParameterHidden("t") {
					t.Error("the access log may show it")
				}
			})
		}
	}
}

// A header of keys is hidden from others for as long as a filter that has
// started looks there, over reloads.
func TestAPIKeyHeaderIsHiddenWhileItIsUsed(t *testing.T) {
	b := newBench(t)
	build := func(config string) filter.Filter {
		f, err := b.host.Build(t.Context(), spec("apikey", config, "key"))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	end := func(f filter.Filter) {
		if err := f.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	// The policy is made before the quota is looked at.
	if _, err := b.host.Build(t.Context(), spec("apikey", `{"header":"X-Shop-Key","quota":[{"rate":1}],"store":"redis"}`, "key")); err == nil || wasm.Hides(b.host, "X-Shop-Key") {
		t.Errorf("a filter that does not start hides its header: %v", err)
	}
	old := build(`{"header":"X-Shop-Key"}`)
	reloaded := build(`{"header":"x-shop-key"}`)
	if end(old); !wasm.Hides(b.host, "X-Shop-Key") {
		t.Error("seen after a reload")
	}
	if end(reloaded); wasm.Hides(b.host, "X-Shop-Key") {
		t.Error("hidden when the filter is gone")
	}
}

func TestAPIKeyScopesAddressesAndQuota(t *testing.T) {
	b := newBench(t)
	key, poor, old := withChecksum(goodKey), withChecksum(goodKey+"P"), withChecksum(goodKey+"O")
	b.keys.keys[key] = capability.APIKey{ID: "key-1", OwnerKind: "client", OwnerID: "shop", Scopes: []string{"orders:read"}}
	b.keys.keys[poor] = capability.APIKey{ID: "key-2", OwnerKind: "client", OwnerID: "shop"}
	b.keys.keys[old] = capability.APIKey{ID: "key-3", OwnerKind: "client", OwnerID: "shop", Scopes: []string{"orders:read"}, ExpiresAt: b.clock.Now().Add(-time.Second)}
	f := b.build(t, "apikey", `{"scopes":["orders:read"],"addresses":["192.0.2.0/24"],"quota":[{"rate":2}]}`, "key")
	g := b.build(t, "apikey", `{"addresses":["10.0.0.0/8"]}`, "key")
	for _, c := range []struct {
		name, key, code string
		status          int
	}{
		{"first", key, "", 200}, {"second", key, "", 200}, {"third", key, "quota_exceeded", 429},
		{"lacks a scope", poor, "insufficient_scope", 403}, {"expired", old, "key_expired", 401},
	} {
		ex := newExchange("GET", "/", "X-API-Key", c.key)
		run(t, f, ex)
		if ex.Response.Status != c.status || !strings.Contains(string(ex.Response.Body.Bytes), c.code) {
			t.Errorf("%s: %d %s", c.name, ex.Response.Status, ex.Response.Body.Bytes)
		}
		if c.status == 200 && !strings.HasPrefix(ex.Response.Header.Get("RateLimit"), `"key";r=`) {
			t.Errorf("%s: RateLimit %s", c.name, ex.Response.Header.Get("RateLimit"))
		}
	}
	ex := newExchange("GET", "/", "X-API-Key", key)
	if run(t, g, ex); ex.Response.Status != 403 {
		t.Errorf("foreign address: %d", ex.Response.Status)
	}
}

func TestAPIKeyConfig(t *testing.T) {
	b := newBench(t)
	for config, want := range map[string]string{
		`{"header":""}`:              "config/header: want a place for the key",
		`{"header":"Authorization"}`: "config/header: Authorization has a meaning of its own",
		`{"cookie":"a b"}`:           "config/cookie: ",
		`{"scopes":["a b"]}`:         "config/scopes/0: ",
		`{"quota":[{"rate":1,"per":"1ns","burst":1000000000},{"rate":1,"per":"10000h"}]}`: "config/quota/1/per: ",
		`{"quota":[{"rate":1}],"store":"redis"}`:                                          "config/store: redis needs gateway.redis_url",
	} {
		f, err := b.host.Build(t.Context(), spec("apikey", config, "key"))
		if err == nil {
			_ = f.Close(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", config, err, want)
		}
	}
}
