package app_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse.example/gateway/app"
	"gatehouse.example/internal/mtls"
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

// TestServiceThatDoesNotExist refuses a file that names one, at the start and
// under way.
func TestServiceThatDoesNotExist(t *testing.T) {
	const file = `
upstreams: {u: {targets: ["service:user"]}}
routes: [{name: r, match: {path: "/x"}, respond: {status: 204}}]
`
	g := start(t, file, func(o *app.Options) {
		o.Resolve = func(name string) (string, bool) { return "127.0.0.1:1", name == "user" }
		o.Bundle = bundle(t)
	})
	g.write(strings.Replace(file, "service:user", "service:usr", 1))
	eventually(t, "refusal of the file", func() bool {
		return g.metric("gatehouse_gateway_reloads_total", map[string]string{"result": "failure"}) > 0
	})
	if log := g.log.String(); !strings.Contains(log, `gateway.yaml:3:`) || !strings.Contains(log, `there is no service \"usr\"`) {
		t.Errorf("the log does not say where and what: %s", log)
	}
	if got := g.do("GET", "/x", ""); got.StatusCode != 204 {
		t.Errorf("the old file does not go on: %d", got.StatusCode)
	}
}

// bundle is the gateway's identity.
func bundle(t *testing.T) *mtls.Bundle {
	t.Helper()
	dir := t.TempDir()
	authority, err := mtls.LoadOrCreateAuthority(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem"), "test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	b, err := authority.IssueService("gateway", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
