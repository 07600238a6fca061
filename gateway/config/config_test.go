package config

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse.example/gateway/filter"
)

const versioned = `listeners: [{address: "127.0.0.1:0"}]
versions: {known: [v1, v2], default: v1}
routes: [{name: one, match: {path: /v1/x}, respond: {status: 404}}]
`

func TestVersions(t *testing.T) {
	g, err := parse(t, versioned)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&Versions{Known: []string{"v1", "v2"}, Default: "v1", Header: "API-Version"}, g.Versions); diff != "" {
		t.Error(diff)
	}
	for _, row := range []struct{ old, new, want string }{
		{"[v1, v2]", "[v1, two]", `conf/gateway.yaml:2:24: version "two"`},
		{"[v1, v2]", "[v1, v1]", `conf/gateway.yaml:2:24: version "v1" is there twice`},
		{"[v1, v2]", "[]", "conf/gateway.yaml:2:1: versions names none"},
		{"default: v1", "default: v3", `conf/gateway.yaml:2:29: default "v3"`},
		{"default: v1", `header: "a b"`, `conf/gateway.yaml:2:29: header "a b"`},
	} {
		_, err := parse(t, strings.Replace(versioned, row.old, row.new, 1))
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("error %v\nwant  %s", err, row.want)
		}
	}
}

const base = `listeners: [{address: "127.0.0.1:0"}]
filters:
  token: {module: "builtin:jwt", grants: [jwt]}
  mine: {module: "file:filters/mine.wasm", config: {a: [1, "x"]}, on_error: skip, limits: {memory: 16MiB, fuel: 20000000, instances: 3}}
upstreams:
  user: {targets: ["service:user"], balance: least_request, health: {path: /healthz, interval: 2s}}
  shop: {targets: ["https://shop.internal", "https://b.internal:8443"], identity: token}
routes:
  - name: one
    match: {path: "/v1/users/*", methods: [GET, HEAD], host: Api.example}
    filters: [token, mine]
    require: {scopes: ["users:read"]}
    body: {max: 2KiB, schema: user.json}
    upstream: user
    timeout: 5s
  - {name: two, match: {path: "/x"}, respond: {status: 404}}
`

func parse(t *testing.T, text string) (*Gateway, error) {
	t.Helper()
	return Parse(filepath.Join("conf", "gateway.yaml"), []byte(text))
}

func TestParse(t *testing.T) {
	g, err := parse(t, base)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.Abs("conf")
	if err != nil {
		t.Fatal(err)
	}
	want := []filter.Spec{
		{
			Name: "mine", Module: "file:" + filepath.Join(dir, "filters/mine.wasm"), Config: []byte(`{"a":[1,"x"]}`),
			OnError: filter.Skip, Limits: filter.Limits{Memory: 16 << 20, Fuel: 20000000, Instances: 3},
		},
		{Name: "token", Module: "builtin:jwt", Grants: []string{"jwt"}},
	}
	if diff := cmp.Diff(want, g.Filters); diff != "" {
		t.Error(diff)
	}
	one := Route{
		Name: "one", Host: "api.example", Path: "/v1/users/*", Methods: []string{"GET", "HEAD"}, Filters: []string{"token", "mine"},
		Require: &Require{Scopes: []string{"users:read"}, Authenticated: true}, Upstream: "user", Timeout: 5 * time.Second,
		Body: Body{MaxBytes: 2048, ContentTypes: []string{"application/json"}, Schema: filepath.Join(dir, "user.json")},
	}
	if diff := cmp.Diff(one, g.Routes[0]); diff != "" {
		t.Error(diff)
	}
	shop, user := g.Upstreams[0], g.Upstreams[1]
	if shop.Targets[0].Address != "shop.internal:443" || !shop.Targets[0].TLS || !shop.IdentityToken || shop.Service() {
		t.Errorf("shop: %+v", shop)
	}
	if !user.Service() || !user.IdentityToken || user.Balance != LeastRequest || user.Health.Interval != 2*time.Second {
		t.Errorf("user: %+v", user)
	}
	if len(g.Files) != 2 || g.Limits != DefaultLimits() {
		t.Errorf("files %v, limits %+v", g.Files, g.Limits)
	}
}

func TestErrorsNamePlaces(t *testing.T) {
	for _, row := range []struct{ name, old, new, want string }{
		{"unknown key", "timeout: 5s", "timeuot: 5s", "conf/gateway.yaml:15:5: "},
		{"wrong type", "interval: 2s", "interval: [x]", "conf/gateway.yaml:6:"},
		{"unknown filter", "filters: [token, mine]", "filters: [token, your]", `conf/gateway.yaml:11:22: unknown filter "your"`},
		{"filter twice", "filters: [token, mine]", "filters: [token, token]", `conf/gateway.yaml:11:22: filter "token" is there twice`},
		{"unknown upstream", "upstream: user", "upstream: usr", `conf/gateway.yaml:14:5: unknown upstream "usr"`},
		{"route name twice", "name: two", "name: one", `conf/gateway.yaml:16:6: route "one" exists already (line 9)`},
		{"skip on who authenticates", `grants: [jwt]`, `grants: [jwt], on_error: skip`, `conf/gateway.yaml:3:49: on_error: skip is not allowed`},
		{"two identities", "identity: token", "identity: token, forward_authorization: true", "conf/gateway.yaml:7:90: identity: token and forward_authorization"},
		{"ambiguous", `path: "/x"`, `path: "/v1/users/*", host: api.example, methods: [HEAD]`, `matches the same requests as route "one" (line 9) for HEAD`},
		{"dot segment", `path: "/x"`, `path: "/x/../y"`, `conf/gateway.yaml:16:25: path "/x/../y": path holds a dot segment`},
		{"lower case method", "[GET, HEAD]", "[get]", `conf/gateway.yaml:10:44: method "get"`},
		{"mixed targets", `"service:user"`, `"service:user", "http://a"`, "all services or all addresses"},
		{"bad target", `"service:user"`, `"ftp://a"`, `conf/gateway.yaml:6:20: target "ftp://a"`},
		{"no destination", "respond: {status: 404}", "methods: [GET]", "conf/gateway.yaml:16:"},
		{"bad module", "builtin:jwt", "jwt", `conf/gateway.yaml:3:11: module "jwt"`},
		{"bad address", "127.0.0.1:0", "127.0.0.1", "conf/gateway.yaml:1:14: address"},
		{"bad size", "16MiB", "sixteen", "conf/gateway.yaml:4:"},
		{"empty require", `scopes: ["users:read"]`, "authenticated: false", "conf/gateway.yaml:12:5: require asks for nothing"},
	} {
		t.Run(row.name, func(t *testing.T) {
			text := strings.Replace(base, row.old, row.new, 1)
			if text == base {
				t.Fatal("nothing replaced")
			}
			_, err := parse(t, text)
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("error %v\nwant  %s", err, row.want)
			}
		})
	}
}

func TestAllErrorsAreReported(t *testing.T) {
	text := strings.NewReplacer("upstream: user", "upstream: usr", "[token, mine]", "[no]").Replace(base)
	_, err := parse(t, text)
	if err == nil || strings.Count(err.Error(), "conf/gateway.yaml:") != 2 {
		t.Errorf("%v", err)
	}
}

// TestShippedFile loads what the repository ships.
func TestShippedFile(t *testing.T) {
	const file = "../../configs/gateway.yaml"
	g, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(DefaultLimits(), g.Limits); diff != "" {
		t.Errorf("the file says that it shows the defaults: %s", diff)
	}
	open := map[string]bool{}
	for i := range g.Routes {
		if r := &g.Routes[i]; r.Require == nil && strings.HasPrefix(r.Path, "/v1") {
			open[r.Name] = true
		}
	}
	if diff := cmp.Diff(map[string]bool{"openapi": true}, open); diff != "" {
		t.Errorf("open below /v1: %s", diff)
	}
}

func FuzzParse(f *testing.F) {
	// Small ones: the fuzzer spends its time on making large ones smaller.
	for _, seed := range []string{
		"routes: [{name: a, match: {path: /}, respond: {status: 200}}]", "upstreams: {u: {targets: [\"service:a\"]}}",
		"filters: {f: {module: \"builtin:x\", config: {a: 1}}}", "limits: {max_body: 1KiB}", "listeners: [{address: \":0\"}]",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(_ *testing.T, text string) { _, _ = Parse("gateway.yaml", []byte(text)) })
}

func TestTrustedProxies(t *testing.T) {
	g, err := parse(t, versioned+`trusted_proxies: ["10.0.0.0/8", "192.0.2.1", "2001:db8::/32"]`)
	if err != nil || len(g.TrustedProxies) != 3 || g.TrustedProxies[1].String() != "192.0.2.1/32" {
		t.Errorf("%v %v", g, err)
	}
	for _, text := range []string{"proxy", "10.0.0.1/8", "10.0.0.0/33"} {
		_, err := parse(t, versioned+`trusted_proxies: ["`+text+`"]`)
		if want := `conf/gateway.yaml:4:19: trusted proxy "` + text + `"`; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v\nwant  %s", err, want)
		}
	}
}
