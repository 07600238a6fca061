package main

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gatehouse.example/sdk/filter"
	"gatehouse.example/sdk/filter/filtertest"
)

var shop = filtertest.Principal{Kind: "client", Subject: "shop", TokenID: "key-1", Scope: "orders:read orders:write"}

func keys() []filtertest.Option {
	other := shop
	other.TokenID = "key-2"
	return []filtertest.Option{
		filtertest.Key("good", filter.StatusOK, shop), filtertest.Key("other", filter.StatusOK, other),
		filtertest.Key("old", filter.StatusExpired, filtertest.Principal{}),
		filtertest.Key("gone", filter.StatusRevoked, filtertest.Principal{}),
		filtertest.Key("unsure", filter.StatusUnavailable, filtertest.Principal{}),
	}
}

func with(key string) filtertest.Request {
	return filtertest.Request{Header: http.Header{"X-Api-Key": {key}}}
}

func TestAnswers(t *testing.T) {
	token := with("good")
	token.Principal = filtertest.Principal{Kind: "user", Subject: "u"}
	for _, c := range []struct {
		name, config         string
		request              filtertest.Request
		status               int
		code, challenge, why string
	}{
		{"absent", `{}`, filtertest.Request{}, 200, "", "", ""},
		{"good", `{}`, with("good"), 200, "", "", ""},
		{"unknown", `{}`, with("never"), 401, "key_invalid", `ApiKey realm="gatehouse", error="invalid_key"`, "unknown"},
		{"empty", `{}`, with(""), 401, "key_invalid", `ApiKey realm="gatehouse", error="invalid_key"`, "unknown"},
		{"expired", `{}`, with("old"), 401, "key_expired", `ApiKey realm="gatehouse", error="expired_key"`, "has expired"},
		{"revoked", `{}`, with("gone"), 401, "key_invalid", `ApiKey realm="gatehouse", error="invalid_key"`, "revoked"},
		{"authority down", `{}`, with("unsure"), 503, "unavailable", "", ""},
		{"a token too", `{}`, token, 400, "several_credentials", "", ""},
		{"scopes", `{"scopes":["orders:read","orders:write"]}`, with("good"), 200, "", "", ""},
		{"scope missing", `{"scopes":["orders:read","users:read"]}`, with("good"), 403, "insufficient_scope",
			`ApiKey realm="gatehouse", error="insufficient_scope", scope="orders:read users:read"`, "scope"},
		{"allowed address", `{"addresses":["198.51.100.0/24","192.0.2.1"]}`, with("good"), 200, "", "", ""},
		{"foreign address", `{"addresses":["198.51.100.0/24","2001:db8::/32"]}`, with("good"), 403, "address_not_allowed", "", "address"},
		{"no key from anywhere", `{"addresses":["198.51.100.0/24"]}`, filtertest.Request{}, 200, "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := filtertest.New(t, newFilter, c.config, keys()...)
			got := f.Do(c.request)
			if got.Status != c.status || got.Header.Get("WWW-Authenticate") != c.challenge || got.Answered != (c.status != 200) {
				t.Errorf("%d %v", got.Status, got.Header)
			}
			if (c.status == 503) != (got.Header.Get("Retry-After") == "1") {
				t.Errorf("Retry-After %q", got.Header.Get("Retry-After"))
			}
			if got.Request.Header.Get("X-Api-Key") != "" {
				t.Error("the key goes on")
			}
			if c.status == 200 {
				return
			}
			var problem struct{ Code, Detail string }
			if err := json.Unmarshal([]byte(got.Body), &problem); err != nil || problem.Code != c.code || !strings.Contains(problem.Detail, c.why) ||
				got.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s: %v", got.Body, err)
			}
		})
	}
}

func TestPlaces(t *testing.T) {
	const all = `{"header":"X-Shop-Key","cookie":"shop_key","query":"api_key"}`
	for _, c := range []struct {
		name, config string
		request      filtertest.Request
		sub          string
		status       int
	}{
		{"another header", all, filtertest.Request{Header: http.Header{"X-Shop-Key": {"good"}}}, "shop", 200},
		{"not the usual one then", all, with("good"), "", 200},
		{"cookie", all, filtertest.Request{Header: http.Header{"Cookie": {"a=1; shop_key=good"}}}, "shop", 200},
		{"query", all, filtertest.Request{URI: "/?api_key=good"}, "shop", 200},
		{"query is not looked at by itself", `{}`, filtertest.Request{URI: "/?api_key=good"}, "", 200},
		{"cookie alone", `{"header":"","cookie":"k"}`, with("good"), "", 200},
		{"the same twice", all, filtertest.Request{URI: "/?api_key=good", Header: http.Header{"Cookie": {"shop_key=good"}}}, "shop", 200},
		{"two different", all, filtertest.Request{URI: "/?api_key=good", Header: http.Header{"Cookie": {"shop_key=other"}}}, "", 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := filtertest.New(t, newFilter, c.config, keys()...).Do(c.request)
			if got.Status != c.status || got.Request.Principal.Subject != c.sub {
				t.Errorf("%d, principal %+v", got.Status, got.Request.Principal)
			}
		})
	}
}

func TestQuota(t *testing.T) {
	f := filtertest.New(t, newFilter, `{"quota":[{"rate":2},{"name":"minute","rate":10,"per":"1m"}]}`, keys()...)
	for i, want := range []struct {
		key, state, retry string
		status            int
	}{
		{"good", `"key";r=1;t=43200, "minute";r=9;t=6`, "", 200},
		{"good", `"key";r=0;t=86400, "minute";r=8;t=12`, "", 200},
		{"good", `"key";r=0;t=43200, "minute";r=8;t=12`, "43200", 429},
		{"other", `"key";r=1;t=43200, "minute";r=9;t=6`, "", 200},
		{"never", "", "", 401}, // costs nobody anything
	} {
		got := f.Do(with(want.key))
		if got.Status != want.status || got.Header.Get("RateLimit") != want.state || got.Header.Get("Retry-After") != want.retry {
			t.Errorf("request %d: %d %v, want %+v", i, got.Status, got.Header, want)
		}
		if want.status == 429 && !strings.Contains(got.Body, `"code":"quota_exceeded"`) {
			t.Errorf("body %s", got.Body)
		}
		if want.state != "" && got.Header.Get("RateLimit-Policy") != `"key";q=2;w=86400, "minute";q=10;w=60` {
			t.Errorf("RateLimit-Policy %s", got.Header.Get("RateLimit-Policy"))
		}
	}
	f.Advance(12 * time.Hour)
	if got := f.Do(with("good")); got.Answered {
		t.Errorf("half a day later: %d", got.Status)
	}
	if got := f.Do(filtertest.Request{}); got.Answered || got.Header.Get("RateLimit") != "" {
		t.Errorf("without a key: %+v", got)
	}
	f = filtertest.New(t, newFilter, `{"quota":[{"rate":2}],"store":"redis","on_unavailable":"deny"}`, append(keys(), filtertest.StoreDown())...)
	if got := f.Do(with("good")); got.Status != 503 || got.Header.Get("Retry-After") != "1" {
		t.Errorf("store down: %d %v", got.Status, got.Header)
	}
}

func TestAddressIsOnlyLookedAtForKeys(t *testing.T) {
	f := filtertest.New(t, newFilter, `{"addresses":["10.0.0.0/8"],"quota":[{"rate":1}]}`, keys()...)
	foreign, own := with("good"), with("good")
	foreign.Source, own.Source = netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr("10.9.9.9")
	if got := f.Do(foreign); got.Status != 403 {
		t.Errorf("foreign: %d", got.Status)
	}
	if got := f.Do(own); got.Answered {
		t.Errorf("a refused address has used up the quota: %d", got.Status)
	}
}

func TestConfigErrors(t *testing.T) {
	r := filter.Define("apikey", newFilter, filter.Needs("key"))
	for config, want := range map[string]string{
		`{"addresses":["10.0.0.0/33"]}`:                        "config/addresses/0: want a network",
		`{"quota":[{}]}`:                                       "config/quota/0/rate: is missing",
		`{"quota":[{"rate":1,"per":"-1s"}]}`:                   "config/quota/0/per: want more than 0s",
		`{"quota":[{"rate":1},{"rate":1,"name":"key"}]}`:       "config/quota/1/name: that of quota/0 too",
		`{"quota":[{"rate":5000000000,"per":"1s","burst":1}]}`: "config/quota/0/rate: ",
		`{"quota":[{"rate":1}],"store":"x"}`:                   "config/store: want one of local, redis",
		`{"scope":"a"}`:                                        "config/scope: unknown field",
	} {
		if _, err := filtertest.Start(t, r, config); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", config, err, want)
		}
	}
}
