package main

import (
	"encoding/base64"
	"encoding/json"
	"hash/fnv"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gatehouse.example/sdk/filter"
	"gatehouse.example/sdk/filter/filtertest"
)

func get(uri string) filtertest.Request { return filtertest.Request{URI: uri} }

func from(address string) filtertest.Request {
	return filtertest.Request{Source: netip.MustParseAddr(address)}
}

func TestSeveralWindows(t *testing.T) {
	f := filtertest.New(t, newFilter, `{"limits":[{"rate":2,"per":"1s"},{"name":"hour","rate":3,"per":"1h"}]}`)
	for i, want := range []struct {
		wait   time.Duration
		status int
		state  string
		retry  string
	}{
		{0, 200, `"default";r=1;t=1, "hour";r=2;t=1200`, ""},
		{0, 200, `"default";r=0;t=1, "hour";r=1;t=2400`, ""},
		// The first refuses, and the second gives nothing away.
		{0, 429, `"default";r=0;t=1, "hour";r=1;t=2400`, "1"},
		{time.Second, 200, `"default";r=1;t=1, "hour";r=0;t=3599`, ""},
		{0, 429, `"default";r=1;t=1, "hour";r=0;t=1199`, "1199"},
	} {
		f.Advance(want.wait)
		got := f.Do(get("/"))
		if got.Status != want.status || got.Header.Get("RateLimit") != want.state || got.Header.Get("Retry-After") != want.retry {
			t.Errorf("request %d: %d, RateLimit %s, Retry-After %s, want %+v", i, got.Status, got.Header.Get("RateLimit"), got.Header.Get("Retry-After"), want)
		}
		if p := got.Header.Get("RateLimit-Policy"); p != `"default";q=2;w=1, "hour";q=3;w=3600` {
			t.Errorf("RateLimit-Policy %s", p)
		}
	}
}

func TestRefusal(t *testing.T) {
	f := filtertest.New(t, newFilter, `{"limits":[{"rate":1,"per":"1m"}]}`)
	f.Do(get("/"))
	got := f.Do(get("/"))
	var problem struct {
		Status int    `json:"status"`
		Code   string `json:"code"`
	}
	if err := json.Unmarshal([]byte(got.Body), &problem); err != nil || got.Status != 429 || problem.Status != 429 || problem.Code != "rate_limited" ||
		got.Header.Get("Content-Type") != "application/problem+json" || got.Header.Get("Retry-After") != "60" {
		t.Errorf("%d %v %s: %v", got.Status, got.Header, got.Body, err)
	}
}

func TestKeys(t *testing.T) {
	tenant := func(name string, r filtertest.Request) filtertest.Request {
		r.Header = http.Header{"X-Tenant": {name}}
		return r
	}
	key := func(id string, r filtertest.Request) filtertest.Request {
		r.Principal = filtertest.Principal{Kind: "client", Subject: "shop", TokenID: id, Credential: "key"}
		return r
	}
	route := func(name string, r filtertest.Request) filtertest.Request { r.Route = name; return r }
	a, b := from("192.0.2.1"), from("192.0.2.2")
	for _, c := range []struct {
		name, key     string
		first, second filtertest.Request
		same          bool
	}{
		{"address", `"source_address"`, a, b, false},
		{"one network", `"source_address"`, from("2001:db8::1"), from("2001:db8::ffff:1"), true},
		{"list of one", `["route"]`, a, b, true},
		{"api key", `"api_key"`, key("1", a), key("2", a), false},
		{"one api key", `"api_key"`, key("1", a), key("1", b), true},
		{"claim", `"claim:sub"`, key("1", a), key("2", b), true},
		{"header", `"header:X-Tenant"`, tenant("a", a), tenant("b", a), false},
		{"route and address: both the same", `["route","source_address"]`, route("x", a), route("x", a), true},
		{"route and address: routes differ", `["route","source_address"]`, route("x", a), route("y", a), false},
		{"route and address: addresses differ", `["route","source_address"]`, route("x", a), route("x", b), false},
		{"parts are told apart", `["header:X-Tenant","route"]`, tenant("ab", route("c", a)), tenant("a", route("bc", a)), false},
		{"no header counts by address", `["header:X-Tenant","route"]`, route("x", a), route("x", b), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := filtertest.New(t, newFilter, `{"limits":[{"rate":1,"per":"1h"}],"key":`+c.key+`}`)
			if f.Do(c.first).Answered {
				t.Fatal("the first request is limited")
			}
			if got := f.Do(c.second).Answered; got != c.same {
				t.Errorf("counted together: %v, want %v", got, c.same)
			}
		})
	}
}

func TestCosts(t *testing.T) {
	f := filtertest.New(t, newFilter, `{"limits":[{"rate":10,"per":"1h"}],"cost":2,"costs":[
		{"paths":["/healthz"],"cost":0},{"methods":["POST","PUT"],"paths":["/v1/search/*"],"cost":5},{"methods":["HEAD"],"cost":1}]}`)
	for i, want := range []struct{ method, uri, state string }{
		{"GET", "/v1/search/a", "r=8"},
		{"POST", "/v1/search/a?b", "r=3"},
		{"POST", "/v1/search", "r=1"},
		{"GET", "/healthz", "r=1"},
		{"GET", "/", "r=1"}, // refused
		{"HEAD", "/", "r=0"},
		{"GET", "/healthz", "r=0"},
	} {
		got := f.Do(filtertest.Request{Method: want.method, URI: want.uri})
		if !strings.Contains(got.Header.Get("RateLimit"), want.state+";") || got.Answered != (i == 4) {
			t.Errorf("%d: %s %s: %d %s, want %s", i, want.method, want.uri, got.Status, got.Header.Get("RateLimit"), want.state)
		}
	}
}

func TestExempt(t *testing.T) {
	f := filtertest.New(t, newFilter, `{"limits":[{"rate":1,"per":"1h"}],"exempt":["10.0.0.0/9","192.0.2.7","2001:db8::/33"],"key":"route"}`)
	f.Do(from("203.0.113.1")) // the only one
	for address, want := range map[string]bool{
		"10.127.255.255": true, "10.128.0.0": false, "192.0.2.7": true, "192.0.2.6": false, "::ffff:10.1.1.1": true,
		"2001:db8:7fff::1": true, "2001:db8:8000::1": false, "::": false, "::10.0.0.1": false,
	} {
		got := f.Do(from(address))
		if got.Answered == want || want && got.Header.Get("RateLimit") != "" {
			t.Errorf("%s: %d %v", address, got.Status, got.Header)
		}
	}
}

func TestShadow(t *testing.T) {
	const config = `{"limits":[{"rate":1,"per":"1h"}],"shadow":true}`
	f := filtertest.New(t, newFilter, config, filtertest.Grant("metrics"))
	for i, want := range []string{"", "limited", "limited"} {
		got := f.Do(get("/"))
		if got.Answered || got.Request.Attributes[shadowAttribute] != want || got.Header.Get("RateLimit") != "" || got.Header.Get("Retry-After") != "" {
			t.Errorf("request %d: %+v", i, got)
		}
	}
	if n := f.Counter(shadowCounter); n != 2 {
		t.Errorf("%v counted", n)
	}
	f = filtertest.New(t, newFilter, `{"limits":[{"rate":1,"per":"1h"}],"shadow":true,"headers":true}`)
	f.Do(get("/"))
	if got := f.Do(get("/")); got.Answered || got.Header.Get("RateLimit") != `"default";r=0;t=3600` {
		t.Errorf("with headers, without the grant: %+v", got)
	}
	f = filtertest.New(t, newFilter, `{"limits":[{"rate":1,"per":"1h"}],"headers":false}`)
	f.Do(get("/"))
	if got := f.Do(get("/")); got.Status != 429 || got.Header.Get("RateLimit") != "" || got.Header.Get("Retry-After") != "3600" {
		t.Errorf("without headers: %+v", got)
	}
}

func TestStoreUnavailable(t *testing.T) {
	config := func(what string) string {
		return `{"limits":[{"rate":1,"per":"1h"}],"store":"redis","on_unavailable":"` + what + `"}`
	}
	for _, c := range []struct {
		name, config string
		second       int
		state        string
	}{
		{"local", config("local"), 429, `"default";r=0;t=3600`},
		{"allow", config("allow"), 200, `"default";r=1;t=1`},
		{"deny", config("deny"), 503, ""},
		{"deny in shadow mode", strings.Replace(config("deny"), "{", `{"shadow":true,`, 1), 200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := filtertest.New(t, newFilter, c.config, filtertest.StoreDown())
			f.Do(get("/"))
			got := f.Do(get("/"))
			if got.Status != c.second || got.Header.Get("RateLimit") != c.state || (c.second == 503) != (got.Header.Get("Retry-After") == "1") {
				t.Errorf("%d %v", got.Status, got.Header)
			}
		})
	}
}

func TestPartitionKey(t *testing.T) {
	f := filtertest.New(t, newFilter, `{"limits":[{"rate":1},{"rate":5,"per":"1m"}],"partition_key":true}`)
	a, again, b := f.Do(from("192.0.2.1")), f.Do(from("192.0.2.1")), f.Do(from("192.0.2.2"))
	pk := func(r filtertest.Result, name string) []string {
		var keys []string
		for item := range strings.SplitSeq(r.Header.Get(name), ", ") {
			_, key, _ := strings.Cut(item, ";pk=")
			keys = append(keys, key)
		}
		return keys
	}
	first := pk(a, "RateLimit")
	if len(first) != 2 || len(first[0]) != 14 || first[0] != first[1] || first[0] != pk(a, "RateLimit-Policy")[1] || first[0] != pk(again, "RateLimit")[0] || first[0] == pk(b, "RateLimit")[0] {
		t.Errorf("%v\n%v\n%v", a.Header, again.Header, b.Header)
	}
	h := fnv.New64a()
	h.Write([]byte("a\xc0\x00\x02\x01"))
	if want := ":" + base64.StdEncoding.EncodeToString(h.Sum(nil)) + ":"; first[0] != want {
		t.Errorf("pk %s, want %s", first[0], want)
	}
}

// A name is a String of RFC 9651: quotes and commas in it do not end it.
func TestNames(t *testing.T) {
	const config = `{"limits":[{"name":"a, \"b\" \\","rate":1},{"name":"x, ","rate":2},{"rate":3}]%s}`
	f := filtertest.New(t, newFilter, strings.Replace(config, "%s", "", 1))
	got := f.Do(get("/"))
	if p := got.Header.Get("RateLimit-Policy"); p != `"a, \"b\" \\";q=1;w=1, "x, ";q=2;w=1, "default-3";q=3;w=1` {
		t.Errorf("RateLimit-Policy %s", p)
	}
	if s := got.Header.Get("RateLimit"); s != `"a, \"b\" \\";r=0;t=1, "x, ";r=1;t=1, "default-3";r=2;t=1` {
		t.Errorf("RateLimit %s", s)
	}
	f = filtertest.New(t, newFilter, strings.Replace(config, "%s", `,"partition_key":true`, 1))
	got = f.Do(get("/"))
	_, rest, _ := strings.Cut(got.Header.Get("RateLimit"), ";pk=")
	pk, _, _ := strings.Cut(rest, ",")
	pk = ";pk=" + pk
	if p := got.Header.Get("RateLimit-Policy"); p != `"a, \"b\" \\";q=1;w=1`+pk+`, "x, ";q=2;w=1`+pk+`, "default-3";q=3;w=1`+pk {
		t.Errorf("RateLimit-Policy %s", p)
	}
	if s := got.Header.Get("RateLimit"); s != `"a, \"b\" \\";r=0;t=1`+pk+`, "x, ";r=1;t=1`+pk+`, "default-3";r=2;t=1`+pk {
		t.Errorf("RateLimit %s", s)
	}
}

// The second filter of a route adds to what the first says; what the upstream
// says goes.
func TestSeveralFilters(t *testing.T) {
	for _, partition := range []string{"", `,"partition_key":true`} {
		first := filtertest.New(t, newFilter, `{"limits":[{"name":"a","rate":5,"per":"1h"}]`+partition+`}`)
		second := filtertest.New(t, newFilter, `{"limits":[{"name":"b","rate":1,"per":"1m"}]`+partition+`}`)
		do := func() filtertest.Result {
			r := get("/")
			r.Response.Header = http.Header{"Ratelimit": {`"up";r=1`, `"up2";r=2`}, "Ratelimit-Policy": {`"up";q=1`}}
			got := first.Do(r)
			next := got.Request
			next.Response = got.Response
			return second.Do(next)
		}
		check := func(got filtertest.Result, name, want string) {
			t.Helper()
			var items []string
			for _, line := range got.Header.Values(name) {
				item, _, _ := strings.Cut(line, ";pk=")
				items = append(items, item)
			}
			if all := strings.Join(items, ", "); all != want {
				t.Errorf("%s: %s, want %s", name, all, want)
			}
		}
		got := do()
		check(got, "RateLimit", `"a";r=4;t=720, "b";r=0;t=60`)
		check(got, "RateLimit-Policy", `"a";q=5;w=3600, "b";q=1;w=60`)
		if got = do(); got.Status != 429 || got.Header.Get("Retry-After") != "60" {
			t.Errorf("%d %v", got.Status, got.Header)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	r := filter.Define("ratelimit", newFilter)
	const one = `"limits":[{"rate":1}]`
	for config, want := range map[string]string{
		`{}`:                                    "config/limits: is missing",
		`{"limits":[]}`:                         "config/limits: want at least 1 elements",
		`{"limits":[{}]}`:                       "config/limits/0/rate: is missing",
		`{"limits":[{"rate":0}]}`:               "config/limits/0/rate: want at least 1",
		`{"limits":[{"rate":1,"per":"0s"}]}`:    "config/limits/0/per: want more than 0s",
		`{"limits":[{"rate":1,"name":"ä"}]}`:    "config/limits/0/name: want printable ASCII",
		`{"limits":[{"rate":1,"name":"a\tb"}]}`: "config/limits/0/name: want printable ASCII",
		`{"limits":[{"rate":1,"name":"a"},{"rate":2,"name":"a"}]}`: "config/limits/1/name: that of limits/0 too",
		`{"limits":[{"rate":5000000000,"burst":1}]}`:               "config/limits/0/rate: 5000000000 in 1s is faster",
		`{"key":"ip",` + one + `}`:                                 "config/key: want source_address, api_key",
		`{"key":["route","claim:"],` + one + `}`:                   "config/key/1: a name has to follow claim:",
		`{"ipv6_prefix":129,` + one + `}`:                          "config/ipv6_prefix: want at most 128",
		`{"exempt":["10.0.0.0/33"],` + one + `}`:                   "config/exempt/0: want a network",
		`{"store":"memory",` + one + `}`:                           "config/store: want one of local, redis",
		`{"on_unavailable":"x",` + one + `}`:                       "config/on_unavailable: want one of local, allow, deny",
		`{"cost":2,` + one + `}`:                                   "config/cost: want at most 1, the smallest burst",
		`{"costs":[{"cost":2}],` + one + `}`:                       "config/costs/0/cost: want at most 1",
		`{"costs":[{"cost":1,"paths":["/a","b"]}],` + one + `}`:    "config/costs/0/paths/1: want a path",
	} {
		if _, err := filtertest.Start(t, r, config); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", config, err, want)
		}
	}
}
