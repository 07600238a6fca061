package app_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"gatehouse.example/gateway/app"
)

func TestPath(t *testing.T) {
	seen := make(chan *http.Request, 1)
	target := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen <- r
		w.Header().Set("ETag", `"7"`)
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2; Path=/x")
		w.Header().Add("Set-Cookie", "b=; Max-Age=0")
		w.Header().Set("Connection", "X-Hop")
		w.Header().Set("X-Hop", "1")
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, "%s %s", r.RequestURI, body)
	})
	g := start(t, `upstreams: {u: {targets: ["`+target+`"]}}
routes: [{name: all, match: {path: "/x/*"}, upstream: u}]
`)
	got := g.do("POST", "/x/caf%C3%A9?q=%2F", "hello", "X-User-Id", "root", "x_gatehouse_Subject", "root", "Client_Cert", "x",
		"X-Forwarded-For", "6.6.6.6", "Authorization", "Bearer t", "X-API-Key", "k", "Cookie", "gatehouse_session=s; a=1; __Host-gatehouse_session=t; gatehouse_device=d",
		"Connection", "X-Named", "X-Named", "1", "X-Kept", "1", "X-Request-Id", "id-1", "X-Roles_List", "admin", "Remote-User", "admin", "X-Auth-Request-Email", "a@b")
	if got.StatusCode != 201 || got.body != "/x/caf%C3%A9?q=%2F hello" {
		t.Errorf("%d %q", got.StatusCode, got.body)
	}
	if got.Header.Get("ETag") != `"7"` || len(got.Header["Set-Cookie"]) != 3 || got.Header.Get("X-Hop") != "" || got.Header.Get("X-Request-Id") != "id-1" {
		t.Errorf("response header %v", got.Header)
	}
	r := <-seen
	for _, name := range []string{"X-User-Id", "X_gatehouse_subject", "Client_cert", "Authorization", "X-Api-Key", "X-Named", "X-Roles_list", "Remote-User", "X-Auth-Request-Email"} {
		if v, ok := r.Header[name]; ok {
			t.Errorf("%s reached the upstream: %q", name, v)
		}
	}
	for name, want := range map[string]string{
		"X-Kept": "1", "Cookie": "a=1", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http",
		"X-Forwarded-Host": g.Addresses().HTTP, "X-Request-Id": "id-1",
	} {
		if got := strings.Join(r.Header[name], ","); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if "http://"+r.Host != target {
		t.Errorf("host %q, want that of %s", r.Host, target)
	}
}

func TestRequire(t *testing.T) {
	target := upstream(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) })
	g := start(t, `filters: {token: {module: "builtin:token", grants: [jwt]}, rw: {module: "builtin:rewrite"}}
upstreams: {u: {targets: ["`+target+`"]}}
routes:
  - {name: read, match: {path: "/v1/users/*", methods: [GET]}, filters: [token], require: {scopes: ["users:read"]}, upstream: u}
  - {name: write, match: {path: "/v1/users/*"}, filters: [token], require: {scopes: ["users:read", "users:write"]}, upstream: u}
  - {name: roles, match: {path: "/v1/roles"}, filters: [token], require: {roles: [admin, owner]}, upstream: u}
  - {name: open, match: {path: "/open/*"}, filters: [token, rw], upstream: u}
  - {name: rest, match: {path: "/v1/*"}, filters: [token], require: {authenticated: true}, respond: {status: 404}}
`)
	const meta = `resource_metadata="http://issuer.test/.well-known/oauth-protected-resource"`
	for _, row := range []struct {
		name, method, path, token string
		status                    int
		challenge, rewrite        string
	}{
		{"nobody", "GET", "/v1/users/1", "", 401, `Bearer realm="gatehouse", ` + meta, ""},
		{"nobody, unknown path", "GET", "/v1/nothing", "", 401, `Bearer realm="gatehouse", ` + meta, ""},
		{"somebody, unknown path", "GET", "/v1/nothing", "ada", 404, "", ""},
		{"bad token", "GET", "/v1/users/1", "bad", 401, `Bearer error="invalid_token", ` + meta, ""},
		{"no scope", "GET", "/v1/users/1", "ada", 403, `Bearer realm="gatehouse", ` + meta + `, error="insufficient_scope", scope="users:read"`, ""},
		{"scope", "GET", "/v1/users/1", "ada users:read", 200, "", ""},
		{"head", "HEAD", "/v1/users/1", "ada users:read", 200, "", ""},
		{"one of two scopes", "POST", "/v1/users/1", "ada users:read", 403, `Bearer realm="gatehouse", ` + meta + `, error="insufficient_scope", scope="users:read users:write"`, ""},
		{"admin stands for all", "POST", "/v1/users/1", "ada admin", 200, "", ""},
		{"no role", "GET", "/v1/roles", "ada", 403, "", ""},
		{"open", "GET", "/open/x", "", 200, "", ""},
		{"rewritten into a demand", "GET", "/open/x", "", 401, `Bearer realm="gatehouse", ` + meta, "/v1/users/2"},
		{"rewritten into an unmet demand", "GET", "/open/x", "ada", 403, `Bearer realm="gatehouse", ` + meta + `, error="insufficient_scope", scope="users:read"`, "/v1/users/2"},
		{"rewritten and fine", "GET", "/open/x", "ada users:read", 200, "", "/v1/users/2"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var header []string
			if row.token != "" {
				header = []string{"Authorization", "Bearer " + row.token}
			}
			if row.rewrite != "" {
				header = append(header, "Rewrite", row.rewrite)
			}
			got := g.do(row.method, row.path, "", header...)
			if got.StatusCode != row.status || got.Header.Get("WWW-Authenticate") != row.challenge {
				t.Errorf("%d %q", got.StatusCode, got.Header.Get("WWW-Authenticate"))
			}
			if row.status == 403 && got.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("content type %q", got.Header.Get("Content-Type"))
			}
		})
	}
}

func TestFilters(t *testing.T) {
	target := upstream(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Vary", "Accept") })
	g := start(t, `filters:
  a: {module: "builtin:phase"}
  b: {module: "builtin:phase"}
  fail: {module: "builtin:fail"}
  skip: {module: "builtin:fail", on_error: skip}
  panic: {module: "builtin:panic"}
upstreams: {u: {targets: ["`+target+`"]}, dead: {targets: ["http://127.0.0.1:1"]}}
routes:
  - {name: order, match: {path: /order}, filters: [a, skip, b], upstream: u}
  - {name: fail, match: {path: /fail}, filters: [a, fail, b], upstream: u}
  - {name: panic, match: {path: /panic}, filters: [panic], upstream: u}
  - {name: dead, match: {path: /dead}, filters: [a], upstream: dead}
  - {name: refused, match: {path: /refused}, filters: [a], require: {authenticated: true}, upstream: u}
`)
	for _, row := range []struct {
		path   string
		status int
		phases string
	}{
		{"/order", 200, "b 200 false,a 200 false"},
		{"/fail", 503, "a 503 false"},
		{"/panic", 500, ""},
		{"/dead", 502, "a 502 true"},
		{"/refused", 401, "a 401 false"},
	} {
		got := g.do("GET", row.path, "")
		if phases := strings.Join(got.Header["Phase"], ","); got.StatusCode != row.status || phases != row.phases {
			t.Errorf("%s: %d, phases %q", row.path, got.StatusCode, phases)
		}
		if row.phases != "" && !strings.Contains(got.Header.Get("Vary"), "Origin") {
			t.Errorf("%s: Vary %q", row.path, got.Header.Get("Vary"))
		}
	}
	if n := g.metric("gatehouse_gateway_filter_failures_total", map[string]string{"filter": "skip"}); n != 1 {
		t.Errorf("%v failures counted", n)
	}
}

func TestValidation(t *testing.T) {
	target := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%d %v", len(data), err)
	})
	schema := filepath.Join(t.TempDir(), "s.json")
	if err := os.WriteFile(schema, []byte(`{"type":"object","required":["email"],"properties":{"email":{"type":"string"},"a/b":{"items":{"type":"integer"}}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	g := start(t, `limits: {max_body: 100KiB}
upstreams: {u: {targets: ["`+target+`"]}}
routes:
  - {name: s, match: {path: /s}, body: {schema: `+schema+`}, upstream: u}
  - {name: any, match: {path: /any}, upstream: u}
`)
	const js = "application/json; charset=utf-8"
	for _, row := range []struct {
		name, path, ct, body string
		status               int
		contains             string
	}{
		{"fine", "/s", js, `{"email":"a"}`, 200, "13 <nil>"},
		{"two violations", "/s", js, `{"email":1,"a/b":[1,"x"]}`, 422, `"/a~1b/1"`},
		{"not JSON", "/s", js, `{"email"`, 400, "malformed_json"},
		{"two values", "/s", js, `{"email":"a"} {}`, 400, "malformed_json"},
		{"no body", "/s", js, "", 400, "body_required"},
		{"other type", "/s", "text/plain", `{"email":"a"}`, 415, "unsupported_media_type"},
		{"large and fine", "/s", js, `{"email":"` + strings.Repeat("a", 90<<10) + `"}`, 200, "92172 <nil>"},
		{"too large", "/any", "", strings.Repeat("a", 101<<10), 413, "body_too_large"},
		{"as large as allowed", "/any", "", strings.Repeat("a", 100<<10), 200, "102400 <nil>"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := g.do("POST", row.path, row.body, "Content-Type", row.ct)
			if got.StatusCode != row.status || !strings.Contains(got.body, row.contains) {
				t.Errorf("%d %s", got.StatusCode, got.body)
			}
		})
	}
	for size, status := range map[int]int{100 << 10: 200, 100<<10 + 1: 413} {
		req, _ := http.NewRequest("POST", g.url+"/any", io.LimitReader(zeros{}, int64(size))) // chunked
		resp, err := g.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != status {
			t.Errorf("chunked body of %d: %d", size, resp.StatusCode)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestHeads(t *testing.T) {
	g := start(t, `upstreams: {u: {targets: ["http://127.0.0.1:1"]}}
routes: [{name: ok, match: {path: "/*"}, respond: {status: 200, body: fine}}]
`)
	for _, row := range []struct {
		name, request string
		status        string
	}{
		{"fine", "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "200"},
		{"absolute form", "GET http://a/a HTTP/1.1\r\nHost: A\r\nConnection: close\r\n\r\n", "200"},
		{"absolute form, other host", "GET http://b/a HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
		{"length and chunked", "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
		{"two lengths", "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", "400"},
		{"identity", "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nContent-Length: 1\r\n\r\nx", "400"},
		{"unknown coding", "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "400"},
		{"folding", "GET /a HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n", "400"},
		{"space before colon", "GET /a HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n", "400"},
		{"bare line feed", "GET /a HTTP/1.1\r\nHost: a\nA: b\r\n\r\n", "400"},
		{"no host", "GET /a HTTP/1.1\r\nA: b\r\n\r\n", "400"},
		{"two hosts", "GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"},
		{"bad host", "GET /a HTTP/1.1\r\nHost: a/b\r\n\r\n", "400"},
		{"dot segments", "GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
		{"encoded slash", "GET /a%2fb HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
		{"NUL", "GET /a%00 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
		{"large head", "GET /a HTTP/1.1\r\nHost: a\r\nA: " + strings.Repeat("b", 20<<10) + "\r\n\r\n", "431"},
		{"many fields", "GET /a HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("a:\r\n", 512) + "\r\n", "431"},
		{"garbage", "\x16\x03\x01\x00\r\n\r\n", "400"},
	} {
		got := g.raw(row.request)
		if !strings.HasPrefix(got, "HTTP/1.1 "+row.status+" ") || strings.Count(got, "HTTP/1.1 ") != 1 {
			t.Errorf("%s: %.200q", row.name, got)
		}
		if row.status != "200" && (!strings.Contains(got, "Content-Type: application/problem+json\r\n") || !strings.Contains(got, "Connection: close\r\n")) {
			t.Errorf("%s: %.300q", row.name, got)
		}
	}
	if n := g.metric("gatehouse_gateway_rejected_requests_total", map[string]string{"reason": "framing"}); n != 1 {
		t.Errorf("%v rejected for framing", n)
	}
}

func TestBuiltIn(t *testing.T) {
	var healthy sync.Map
	g := start(t, "routes: [{name: x, match: {path: /x, methods: [PUT]}, respond: {status: 204}}]\n", func(o *app.Options) {
		o.Ready = func(context.Context) error {
			if _, ok := healthy.Load("yes"); !ok {
				return errors.New("not yet")
			}
			return nil
		}
	})
	if got := g.do("GET", "/healthz", ""); got.StatusCode != 200 {
		t.Errorf("healthz %d", got.StatusCode)
	}
	if got := g.do("GET", "/readyz", ""); got.StatusCode != 503 || !strings.Contains(got.body, "not yet") {
		t.Errorf("readyz %d %s", got.StatusCode, got.body)
	}
	healthy.Store("yes", true)
	eventually(t, "readiness", func() bool { return g.do("GET", "/readyz", "").StatusCode == 200 })
	if got := g.do("GET", "/", ""); got.StatusCode != 200 || !strings.Contains(got.body, "/login") {
		t.Errorf("/ %d", got.StatusCode)
	}
	if got := g.do("GET", "/x", ""); got.StatusCode != 405 || got.Header.Get("Allow") != "PUT" {
		t.Errorf("/x %d %v", got.StatusCode, got.Header)
	}
	if got := g.do("PUT", "/x", ""); got.StatusCode != 204 {
		t.Errorf("PUT /x %d", got.StatusCode)
	}
	if got := g.do("GET", "/nothing", ""); got.StatusCode != 404 || got.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("/nothing %d", got.StatusCode)
	}
	for _, path := range []string{"/metrics", "/healthz", "/readyz", "/routes"} {
		resp, err := http.Get("http://" + g.Addresses().Admin + path)
		if err != nil {
			t.Fatal(err)
		}
		data, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 || path == "/metrics" && !strings.Contains(string(data), `gatehouse_gateway_requests_total{method="PUT",route="x",status="204"} 1`) {
			t.Errorf("admin %s: %d", path, resp.StatusCode)
		}
	}
	resp, err := http.Post("http://"+g.Addresses().Admin+"/reload", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode < 400 {
		t.Errorf("reload over TCP: %d", resp.StatusCode)
	}
}

func TestAccessLogHidesSecrets(t *testing.T) {
	g := start(t, "routes: [{name: x, match: {path: \"/*\"}, respond: {status: 200}}]\n")
	g.do("GET", "/cb?code=SECRET1&%73tate=SECRET2&page=2&id_token_hint=SECRET3", "", "Authorization", "Bearer SECRET4", "Cookie", "s=SECRET5")
	eventually(t, "log line", func() bool { return strings.Contains(g.log.String(), `"path":"/cb"`) })
	if log := g.log.String(); strings.Contains(log, "SECRET") || !strings.Contains(log, "page=2") {
		t.Error(log)
	}
}
