package app_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestVersions asks for an API by path, by header field and by default.
func TestVersions(t *testing.T) {
	back := upstream(t, func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(r.URL.Path)) })
	g := start(t, `
versions: {known: [v1, v2], default: v1}
filters: {deny: {module: "builtin:deny"}}
upstreams: {u: {targets: ["`+back+`"]}}
routes:
  - {name: one, match: {path: "/v1/things/*"}, upstream: u}
  - {name: two, match: {path: "/v2/things/*"}, require: {authenticated: true}, upstream: u}
  - {name: rest, match: {path: "/v1/*"}, require: {authenticated: true}, respond: {status: 404}}
`)
	for _, row := range []struct {
		path, header, body string
		status             int
	}{
		{"/v1/things/7", "", "/v1/things/7", 200},
		{"/things/7", "", "/v1/things/7", 200},
		{"/things/7", "1", "/v1/things/7", 200},
		// What a version demands is demanded whichever way it is asked for.
		{"/things/7", "v2", "unauthenticated", 401},
		{"/v3/things", "", "there is v1, v2", 404},
		{"/things", "3", "there is v1, v2", 400},
		{"/v1/things", "2", "version_conflict", 400},
		{"/nothing", "", "not_found", 404},
		{"/v1/nothing", "", "unauthenticated", 401},
	} {
		var header []string
		if row.header != "" {
			header = []string{"API-Version", row.header}
		}
		got := g.do("GET", row.path, "", header...)
		if got.StatusCode != row.status || !strings.Contains(got.body, row.body) {
			t.Errorf("%s %q: %d %s", row.path, row.header, got.StatusCode, got.body)
		}
	}
	got := g.do("GET", "/things/7", "")
	if got.Header.Get("API-Version") != "v1" || !strings.Contains(got.Header.Get("Vary"), "API-Version") {
		t.Errorf("answer's fields: %v", got.Header)
	}
	if got := g.do("GET", "/v1/things/7", ""); got.Header.Get("API-Version") != "v1" || got.Header.Get("Vary") != "" {
		t.Errorf("answer's fields: %v", got.Header)
	}
}
