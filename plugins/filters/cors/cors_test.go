package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse.example/sdk/filter/filtertest"
)

// header makes a header of names and values.
func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

const (
	allowOrigin      = "Access-Control-Allow-Origin"
	allowCredentials = "Access-Control-Allow-Credentials"
	allowMethods     = "Access-Control-Allow-Methods"
	allowHeaders     = "Access-Control-Allow-Headers"
	exposeHeaders    = "Access-Control-Expose-Headers"
	maxAge           = "Access-Control-Max-Age"
	allowPrivate     = "Access-Control-Allow-Private-Network"
	askMethod        = "Access-Control-Request-Method"
	askHeaders       = "Access-Control-Request-Headers"
	varyPreflight    = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
	varyOptions      = "Origin, Access-Control-Request-Method"
)

const (
	exact       = `{"origins":["https://app.example"],"methods":["GET","PUT"],"headers":["X-One"],"exposed_headers":["ETag"]}`
	credentials = `{"origins":["https://app.example"],"methods":["*"],"headers":["*"],"exposed_headers":["ETag"],"credentials":true,"max_age":"1h"}`
	anyone      = `{"origins":["*"],"methods":["*"],"headers":["*"],"exposed_headers":["*"],"max_age":"0s"}`
	closed      = `{"origins":["https://app.example"],"methods":[],"headers":[],"exposed_headers":[]}`
	network     = `{"origins":["https://app.example"],"allow_private_network":true,"methods":["PUT"],"headers":["X-One"]}`
	null        = `{"origins":["null"],"exposed_headers":[]}`
)

// TestFetch goes through the branches of Fetch's "CORS protocol": what a
// response to each kind of request holds, all its fields compared.
func TestFetch(t *testing.T) {
	for _, c := range []struct {
		name, config, method string
		request              http.Header
		status               int // 0: goes on to the upstream
		want                 http.Header
	}{
		{"same origin", exact, "GET", nil, 0, header("Vary", "Origin")},
		{"allowed", exact, "GET", header("Origin", "https://app.example"), 0,
			header("Vary", "Origin", allowOrigin, "https://app.example", exposeHeaders, "ETag")},
		{"foreign", exact, "GET", header("Origin", "https://evil.example"), 0, header("Vary", "Origin")},
		{"null", exact, "GET", header("Origin", "null"), 0, header("Vary", "Origin")},
		{"null asked for", null, "GET", header("Origin", "null"), 0, header("Vary", "Origin", allowOrigin, "null")},
		{"empty origin", exact, "GET", header("Origin", ""), 0, header("Vary", "Origin")},
		{"two origins in one", exact, "GET", header("Origin", "https://app.example https://evil.example"), 0, header("Vary", "Origin")},
		{"nothing exposed", closed, "GET", header("Origin", "https://app.example"), 0, header("Vary", "Origin", allowOrigin, "https://app.example")},
		{"credentials", credentials, "GET", header("Origin", "https://app.example"), 0,
			header("Vary", "Origin", allowOrigin, "https://app.example", allowCredentials, "true", exposeHeaders, "ETag")},
		{"credentials, foreign", credentials, "GET", header("Origin", "https://evil.example"), 0, header("Vary", "Origin")},
		{"anyone", anyone, "GET", header("Origin", "https://x.example"), 0, header(allowOrigin, "*", exposeHeaders, "*")},
		{"anyone, same origin: one answer for all caches", anyone, "GET", nil, 0, header(allowOrigin, "*", exposeHeaders, "*")},
		{"anyone, null", anyone, "POST", header("Origin", "null"), 0, header(allowOrigin, "*", exposeHeaders, "*")},

		{"OPTIONS without origin", exact, "OPTIONS", header(askMethod, "PUT"), 0, header("Vary", varyOptions)},
		{"OPTIONS without a method asked for", exact, "OPTIONS", header("Origin", "https://app.example"), 0,
			header("Vary", varyOptions, allowOrigin, "https://app.example", exposeHeaders, "ETag")},
		{"OPTIONS, anyone", anyone, "OPTIONS", nil, 0, header("Vary", varyOptions, allowOrigin, "*", exposeHeaders, "*")},
		{"GET that asks for a method", exact, "GET", header("Origin", "https://app.example", askMethod, "PUT"), 0,
			header("Vary", "Origin", allowOrigin, "https://app.example", exposeHeaders, "ETag")},

		{"preflight", exact, "OPTIONS", header("Origin", "https://app.example", askMethod, "PUT", askHeaders, "x-one"), 204,
			header("Vary", varyPreflight, allowOrigin, "https://app.example", allowMethods, "GET, PUT", allowHeaders, "X-One", maxAge, "600")},
		{"preflight for what is not allowed says what is", exact, "OPTIONS", header("Origin", "https://app.example", askMethod, "DELETE", askHeaders, "x-two"), 204,
			header("Vary", varyPreflight, allowOrigin, "https://app.example", allowMethods, "GET, PUT", allowHeaders, "X-One", maxAge, "600")},
		{"preflight, nothing allowed", closed, "OPTIONS", header("Origin", "https://app.example", askMethod, "PUT", askHeaders, "x-one"), 204,
			header("Vary", varyPreflight, allowOrigin, "https://app.example", maxAge, "600")},
		{"preflight, foreign", exact, "OPTIONS", header("Origin", "https://evil.example", askMethod, "PUT"), 403,
			header("Vary", varyPreflight, "Cache-Control", "no-store", "Content-Type", "application/problem+json")},
		{"preflight, null", credentials, "OPTIONS", header("Origin", "null", askMethod, "PUT"), 403,
			header("Vary", varyPreflight, "Cache-Control", "no-store", "Content-Type", "application/problem+json")},
		{"preflight with credentials is told no star", credentials, "OPTIONS", header("Origin", "https://app.example", askMethod, "PUT", askHeaders, "authorization,x-one"), 204,
			header("Vary", varyPreflight, allowOrigin, "https://app.example", allowCredentials, "true", allowMethods, "PUT", allowHeaders, "authorization,x-one", maxAge, "3600")},
		{"preflight of anyone is told no star either, which is not Authorization", anyone, "OPTIONS", header("Origin", "https://x.example", askMethod, "PUT", askHeaders, "authorization"), 204,
			header("Vary", varyPreflight, allowOrigin, "*", allowMethods, "PUT", allowHeaders, "authorization", maxAge, "0")},
		{"preflight without header fields", anyone, "OPTIONS", header("Origin", "https://x.example", askMethod, "PUT"), 204,
			header("Vary", varyPreflight, allowOrigin, "*", allowMethods, "PUT", maxAge, "0")},

		{"private network", network, "OPTIONS", header("Origin", "https://app.example", askMethod, "PUT", requestPrivateNetwork, "true"), 204,
			header("Vary", varyPreflight+", "+requestPrivateNetwork+", "+requestLocalNetwork, allowOrigin, "https://app.example", allowMethods, "PUT", allowHeaders, "X-One", maxAge, "600", allowPrivate, "true")},
		{"local network", network, "OPTIONS", header("Origin", "https://app.example", askMethod, "PUT", requestLocalNetwork, "true"), 204,
			header("Vary", varyPreflight+", "+requestPrivateNetwork+", "+requestLocalNetwork, allowOrigin, "https://app.example", allowMethods, "PUT", allowHeaders, "X-One", maxAge, "600", "Access-Control-Allow-Local-Network", "true")},
		{"private network not asked for", network, "OPTIONS", header("Origin", "https://app.example", askMethod, "PUT"), 204,
			header("Vary", varyPreflight+", "+requestPrivateNetwork+", "+requestLocalNetwork, allowOrigin, "https://app.example", allowMethods, "PUT", allowHeaders, "X-One", maxAge, "600")},
		{"private network, foreign", network, "OPTIONS", header("Origin", "https://evil.example", askMethod, "PUT", requestPrivateNetwork, "true"), 403,
			header("Vary", varyPreflight+", "+requestPrivateNetwork+", "+requestLocalNetwork, "Cache-Control", "no-store", "Content-Type", "application/problem+json")},
		{"private network not allowed", exact, "OPTIONS", header("Origin", "https://app.example", askMethod, "PUT", requestPrivateNetwork, "true"), 204,
			header("Vary", varyPreflight, allowOrigin, "https://app.example", allowMethods, "GET, PUT", allowHeaders, "X-One", maxAge, "600")},
	} {
		t.Run(c.name, func(t *testing.T) {
			result := filtertest.New(t, newFilter, c.config).Do(filtertest.Request{Method: c.method, Header: c.request})
			if result.Answered != (c.status != 0) || result.Answered && result.Status != c.status {
				t.Errorf("answered %v with %d", result.Answered, result.Status)
			}
			if diff := cmp.Diff(c.want, result.Header); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// An upstream with a policy of its own must neither open what is closed here
// nor close what is open.
func TestUpstreamIsShadowed(t *testing.T) {
	upstream := filtertest.Response{Header: header(
		allowOrigin, "*", allowCredentials, "true", exposeHeaders, "Secret", "Vary", "Accept-Encoding, origin")}
	for _, c := range []struct {
		name, config, origin string
		want                 http.Header
	}{
		{"foreign", exact, "https://evil.example", header("Vary", "Accept-Encoding, origin")},
		{"same origin", exact, "", header("Vary", "Accept-Encoding, origin")},
		{"allowed", exact, "https://app.example", header("Vary", "Accept-Encoding, origin", allowOrigin, "https://app.example", exposeHeaders, "ETag")},
		{"anyone", anyone, "https://app.example", header("Vary", "Accept-Encoding, origin", allowOrigin, "*", exposeHeaders, "*")},
	} {
		t.Run(c.name, func(t *testing.T) {
			request := filtertest.Request{Header: http.Header{}, Response: upstream}
			if c.origin != "" {
				request.Header.Set("Origin", c.origin)
			}
			if diff := cmp.Diff(c.want, filtertest.New(t, newFilter, c.config).Do(request).Header); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOrigins(t *testing.T) {
	for _, c := range []struct {
		name, entry   string
		allowed, none []string
	}{
		{"exact", "https://app.example",
			[]string{"https://app.example"},
			[]string{"http://app.example", "https://app.example:8443", "https://app.example.evil", "https://xapp.example", "https://APP.example", "https://app.example/", ""}},
		{"port", "http://localhost:3000",
			[]string{"http://localhost:3000"},
			[]string{"http://localhost", "http://localhost:30000", "http://localhost:300"}},
		{"IPv6", "http://[::1]:3000", []string{"http://[::1]:3000"}, []string{"http://[::1]"}},
		{"wildcard", "https://*.example.com",
			[]string{"https://a.example.com", "https://a.b.example.com", "https://x-1_y.example.com"},
			[]string{"https://example.com", "https://.example.com", "https://a..example.com", "https://.a.example.com", "http://a.example.com",
				"https://a.example.com:8443", "https://aexample.com", "https://a.example.com.evil", "https://evil/.example.com",
				"https://evil:1.example.com", "https://evil@x.example.com", "https://evil?.example.com", "https://A.example.com", "https://a.example.com ", "null"}},
		{"wildcard with a port", "http://*.localhost:3000",
			[]string{"http://app.localhost:3000"},
			[]string{"http://app.localhost", "http://localhost:3000", "http://app.localhost:30000"}},
		{"regexp", `~https://(app|admin)-[0-9]+\.example`,
			[]string{"https://app-1.example", "https://admin-20.example"},
			[]string{"https://app-1.example.evil", "xhttps://app-1.example", "https://app-1xexample", "https://app-1.example\n", "null"}},
		{"regexp with alternatives at the top", `~https://a\.example|https://b\.example`,
			[]string{"https://a.example", "https://b.example"},
			[]string{"https://a.example.evil", "https://evil/https://b.example"}},
		{"regexp that matches everything", `~.*`, []string{"https://x.example"}, []string{"null", "https://" + strings.Repeat("a", 600)}},
		{"null", "null", []string{"null"}, []string{"https://null", ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, err := readOrigins([]string{"https://other.example", c.entry}, false)
			if err != nil {
				t.Fatal(err)
			}
			for _, origin := range c.allowed {
				if !o.allows(origin) {
					t.Errorf("%q is foreign", origin)
				}
			}
			for _, origin := range c.none {
				if o.allows(origin) {
					t.Errorf("%q is allowed", origin)
				}
			}
		})
	}
}

func TestConfigErrors(t *testing.T) {
	for config, want := range map[string]string{
		`{}`:                                                                           "config/origins: name at least one",
		`{"origins":["https://a.example","x"]}`:                                        "config/origins/1: want scheme://host[:port]",
		`{"origins":["https://a.example/"]}`:                                           "config/origins/0: want scheme://host[:port] without a path, not even a slash",
		`{"origins":["https://A.example"]}`:                                            "config/origins/0: want lower case",
		`{"origins":["https://a.example:443"]}`:                                        "config/origins/0: leave out the default port",
		`{"origins":["http://a.example:80"]}`:                                          "config/origins/0: leave out the default port",
		`{"origins":["http://a.example:0"]}`:                                           "config/origins/0: want a port",
		`{"origins":["http://a.example:x"]}`:                                           "config/origins/0: want a port",
		`{"origins":["https://exämple.com"]}`:                                          "config/origins/0: the host holds a byte that no host has; names of other scripts begin with xn--",
		`{"origins":["https://u@a.example"]}`:                                          "config/origins/0: the host holds a byte",
		`{"origins":["https://a.*.example"]}`:                                          `config/origins/0: want "*" as the first label`,
		`{"origins":["https://*a.example"]}`:                                           `config/origins/0: want "*" as the first label`,
		`{"origins":["*.example.com"]}`:                                                `config/origins/0: want "*" as the first label`,
		`{"origins":["https://*.*.example"]}`:                                          `config/origins/0: want "*" as the first label`,
		`{"origins":["https://*.com"]}`:                                                "config/origins/0: names everything below com",
		`{"origins":["https://*.com:8443"]}`:                                           "config/origins/0: names everything below com",
		`{"origins":["https://*.A.example"]}`:                                          "config/origins/0: want lower case",
		`{"origins":["~https://(a"]}`:                                                  "config/origins/0: error parsing regexp",
		`{"origins":["~a)|(b"]}`:                                                       "config/origins/0: error parsing regexp",
		`{"origins":["*"],"credentials":true}`:                                         `config/origins/0: "*" together with credentials`,
		`{"origins":["https://a.example","~https://.*"],"credentials":true}`:           "config/origins/1: matches every origin",
		`{"origins":["null"],"credentials":true}`:                                      `config/origins/0: "null" together with credentials`,
		`{"origins":["*"],"allow_private_network":true}`:                               "config/allow_private_network: ",
		`{"origins":["https://a.example"],"exposed_headers":["*"],"credentials":true}`: `config/exposed_headers: with credentials, "*"`,
		`{"origins":["https://a.example"],"exposed_headers":["a b"]}`:                  "config/exposed_headers/0: want a name",
		`{"origins":["https://a.example"],"headers":["X-One",""]}`:                     "config/headers/1: want a name",
		`{"origins":["https://a.example"],"methods":["GET","patch"]}`:                  "config/methods/1: want PATCH",
		`{"origins":["https://a.example"],"methods":["trace"]}`:                        "config/methods/0: browsers never send TRACE",
		`{"origins":["https://a.example"],"max_age":"-1s"}`:                            "config/max_age: ",
		`{"origins":["https://a.example"],"origin":"x"}`:                               "config/origin",
	} {
		_, err := filtertest.Start(t, registration, config)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", config, err, want)
		}
	}
}

func TestAllocatesNothing(t *testing.T) {
	o, err := readOrigins([]string{"https://app.example", "https://*.example.com"}, true)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		if !o.allows("https://app.example") || !o.allows("https://a.example.com") || o.allows("https://evil.example") {
			t.Error("wrong")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
