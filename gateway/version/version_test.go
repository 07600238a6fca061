package version_test

import (
	"strings"
	"testing"

	"gatehouse.example/gateway/config"
	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/router"
	"gatehouse.example/gateway/version"
)

func TestResolve(t *testing.T) {
	paths := []string{"/login/*", "/v1/users/*", "/v2/users/*", "/v1/me", "/v1/*", "/v2/*"}
	routes := make([]router.Route, len(paths))
	for i, p := range paths {
		routes[i] = router.Route{Path: p}
	}
	table, err := router.New(routes)
	if err != nil {
		t.Fatal(err)
	}
	rest := func(i int, v string) bool { return paths[i] == "/"+v+"/*" }
	versions := version.New(&config.Versions{Known: []string{"v1", "v2"}, Default: "v1", Header: "API-Version"})
	for _, row := range []struct {
		name, uri, header   string
		status              int
		code, path, version string
		byHeader            bool
	}{
		{name: "in the path", uri: "/v2/users/7?a=b", path: "/v2/users/7", version: "v2"},
		{name: "in the path, unknown", uri: "/v9/users", status: 404, code: "unknown_version"},
		{name: "in the path, leading zero", uri: "/v01/users", status: 404, code: "unknown_version"},
		{name: "in the path, alone", uri: "/v3", status: 404, code: "unknown_version"},
		{name: "no version in the path", uri: "/v1x/users", path: "/v1x/users"},
		{name: "default", uri: "/users/7", path: "/v1/users/7", version: "v1", byHeader: true},
		{name: "by header", uri: "/users/a%20b", header: "v2", path: "/v2/users/a b", version: "v2", byHeader: true},
		{name: "by number", uri: "/users", header: "2", path: "/v2/users", version: "v2", byHeader: true},
		{name: "by header, upper case", uri: "/users", header: " V2 ", path: "/v2/users", version: "v2", byHeader: true},
		{name: "by header, unknown", uri: "/users", header: "9", status: 400, code: "unknown_version"},
		{name: "by header, nonsense", uri: "/users", header: strings.Repeat("x", 99), status: 400, code: "unknown_version"},
		{name: "by header, empty", uri: "/users", header: " ", status: 400, code: "unknown_version"},
		{name: "both agree", uri: "/v2/users", header: "2", path: "/v2/users", version: "v2"},
		{name: "both differ", uri: "/v1/users", header: "v2", status: 400, code: "version_conflict"},
		{name: "an own route needs none", uri: "/login/x", header: "v9", path: "/login/x"},
		{name: "a path of the other version only", uri: "/me", header: "v2", path: "/me"},
		{name: "the rest of a version is not reached", uri: "/nothing", path: "/nothing"},
		{name: "the front page", uri: "/", header: "v9", path: "/"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var ex exchange.Exchange
			r := &ex.Request
			r.Method, r.Host = "GET", "h"
			if err := r.SetURI(row.uri); err != nil {
				t.Fatal(err)
			}
			if row.header != "" {
				r.Header.Add("api-version", row.header)
			}
			got, refusal := versions.Resolve(r, "GET", table, rest)
			if row.status != 0 {
				if refusal == nil || refusal.Status != row.status || refusal.Code != row.code {
					t.Fatalf("refusal %+v, want %d %s", refusal, row.status, row.code)
				}
				if row.code == "unknown_version" && !strings.HasSuffix(refusal.Detail, "there is v1, v2") {
					t.Errorf("it does not say what exists: %s", refusal.Detail)
				}
				return
			}
			if refusal != nil {
				t.Fatal(refusal)
			}
			if r.Path != row.path || got.Version != row.version || got.ByHeader != row.byHeader {
				t.Errorf("path %q, %+v", r.Path, got)
			}
			// What the upstream is sent means the same.
			if clean, err := exchange.CleanPath(r.RawPath); err != nil || clean != r.Path {
				t.Errorf("raw path %q means %q, %v", r.RawPath, clean, err)
			}
		})
	}
}

func TestTwoFieldsAreNoVersion(t *testing.T) {
	table, err := router.New([]router.Route{{Path: "/v1/users"}})
	if err != nil {
		t.Fatal(err)
	}
	var ex exchange.Exchange
	if err := ex.Request.SetURI("/users"); err != nil {
		t.Fatal(err)
	}
	ex.Request.Header.Add("API-Version", "v1")
	ex.Request.Header.Add("API-Version", "v1")
	_, refusal := version.New(&config.Versions{Known: []string{"v1"}, Header: "API-Version"}).
		Resolve(&ex.Request, "GET", table, func(int, string) bool { return false })
	if refusal == nil || refusal.Status != 400 {
		t.Errorf("%+v", refusal)
	}
}

func TestZeroLeavesAlone(t *testing.T) {
	var ex exchange.Exchange
	if err := ex.Request.SetURI("/v9/x"); err != nil {
		t.Fatal(err)
	}
	got, refusal := version.New(nil).Resolve(&ex.Request, "GET", nil, nil)
	if refusal != nil || got.Version != "" || ex.Request.Path != "/v9/x" {
		t.Errorf("%+v %v %s", got, refusal, ex.Request.Path)
	}
}
