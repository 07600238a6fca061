package app_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gatehouse.example/gateway/app"
)

// wild is the path of a guest of testdata/wild, written in WebAssembly's text
// format or AssemblyScript, with its source beside it.
func wild(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", "wild", name+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// kitFolder is where the module of the ABI's own kit is, with its examples.
func kitFolder(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/http-wasm/http-wasm-host-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// echo answers with the request's body and header.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	for name, values := range r.Header {
		w.Header()["Got-"+name] = values
	}
	w.Header().Set("Got-Request", r.Method+" "+r.RequestURI)
	w.Header().Set("Content-Type", "text/plain")
	_, _ = w.Write(body)
}

type wildCase struct {
	name, module, settings string
	method, path, body     string
	header                 []string
	status                 int
	want                   string   // body
	wantHeader             []string // name and value in turn; "" wants none
	logs                   string
	chunked                bool
}

func (c *wildCase) check(t *testing.T, g *gateway, route string) {
	t.Helper()
	req, err := http.NewRequest(c.method, g.url+"/"+route+c.path, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	if c.chunked {
		req.ContentLength = -1
	}
	for i := 0; i < len(c.header); i += 2 {
		req.Header.Add(c.header[i], c.header[i+1])
	}
	resp, err := g.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != c.status || c.want != "*" && string(body) != c.want {
		t.Errorf("%d %.200q, want %d %.200q\n%s", resp.StatusCode, body, c.status, c.want, errorLines(g))
	}
	for i := 0; i < len(c.wantHeader); i += 2 {
		if got := strings.Join(resp.Header[http.CanonicalHeaderKey(c.wantHeader[i])], "|"); got != c.wantHeader[i+1] {
			t.Errorf("%s is %q, want %q", c.wantHeader[i], got, c.wantHeader[i+1])
		}
	}
	if !strings.Contains(g.log.String(), c.logs) {
		t.Errorf("%q is not in the log:\n%s", c.logs, errorLines(g))
	}
}

// errorLines are the last errors of the log.
func errorLines(g *gateway) string {
	lines := strings.Split(g.log.String(), "\n")
	lines = slices.DeleteFunc(lines, func(l string) bool { return !strings.Contains(l, `"level":"ERROR"`) })
	return strings.Join(lines[max(0, len(lines)-3):], "\n")
}

// runWild starts one gateway with a route for each case.
func runWild(t *testing.T, cases []wildCase) {
	t.Helper()
	target := upstream(t, echo)
	var filters []string
	for i := range cases {
		settings := fmt.Sprintf("module: %q", "file:"+cases[i].module)
		if cases[i].settings != "" {
			settings += ", " + cases[i].settings
		}
		filters = append(filters, fmt.Sprintf("f%d", i), settings)
	}
	g := startWasm(t, wasmRoutes(target, filters...))
	for i := range cases {
		t.Run(cases[i].name, func(t *testing.T) {
			for range 3 { // the second and third find a used instance
				cases[i].check(t, g, fmt.Sprintf("f%d", i))
			}
		})
	}
}

const bodies = "grants: [body]"

// TestWild runs guests of other toolchains, odd but legal ones among them.
func TestWild(t *testing.T) {
	long := strings.Repeat("Wild filters read bodies. ", 2000)
	runWild(t, []wildCase{
		{name: "no import", module: wild(t, "ignore"), method: "POST", path: "/a?b=%20", body: long, status: 200, want: long, chunked: true,
			wantHeader: []string{"Got-Request", "POST /f0/a?b=%20"}},
		{name: "the default answer", module: wild(t, "empty"), method: "POST", path: "/", body: "x", status: 200, want: "", wantHeader: []string{"Got-Request", ""}},
		{name: "read without buffer_request", module: wild(t, "read"), settings: "grants: [body.request]", method: "POST", path: "/", body: long,
			status: 200, want: long, wantHeader: []string{"Got-X-Read", fmt.Sprintf("%08x", len(long))}},
		{name: "read chunks", module: wild(t, "read"), settings: "grants: [body.request]", method: "PUT", path: "/", body: long, chunked: true,
			status: 200, want: long, wantHeader: []string{"Got-X-Read", fmt.Sprintf("%08x", len(long))}},
		{name: "read nothing", module: wild(t, "read"), settings: "grants: [body.request]", method: "GET", path: "/", status: 200, wantHeader: []string{"Got-X-Read", "00000000"}},
		{name: "read without the grant", module: wild(t, "read"), method: "POST", path: "/", body: "x", status: 503, want: "*",
			logs: "read_body needs the grant body.request: add it under grants"},
		{name: "read without the grant, skipped", module: wild(t, "read"), settings: "on_error: skip", method: "POST", path: "/", body: long, chunked: true, status: 200, want: long},
		{name: "too large a body, skipped", module: wild(t, "read"), settings: "on_error: skip, grants: [body.request], limits: {body: 10KiB}", method: "POST", path: "/", body: long,
			chunked: true, status: 200, want: long, wantHeader: []string{"Got-X-Read", ""}},
		{name: "read and write in turn", module: wild(t, "rewrite"), settings: bodies, method: "POST", path: "/", body: long, status: 200, want: long},
		{name: "byte by byte", module: wild(t, "bytewise"), settings: bodies + ", limits: {fuel: 200000000}", method: "POST", path: "/", body: long[:5000], status: 202, want: long[:5000]},
		{name: "trap in the response", module: wild(t, "trap"), method: "GET", path: "/", status: 503, want: "*", logs: "unreachable"},
		{name: "SIMD and multiple results", module: wild(t, "vector"), method: "GET", path: "/", status: 200, want: "HTTP-WASM"},
		{name: "AssemblyScript", module: wild(t, "shout"), settings: bodies, method: "POST", path: "/x?y", body: "héllo " + long, status: 200, want: strings.ToUpper("héllo " + long),
			wantHeader: []string{"X-Shouted", "too", "Got-X-Shouted", "/f12/x?y 3"}},
		{name: "an answer to HEAD", module: wild(t, "vector"), method: "HEAD", path: "/", status: 200, want: "", wantHeader: []string{"Content-Length", "9"}},
	})
}

// TestWildExamples runs the examples and the test guests that come with the
// reference implementation, which are read where the module is.
func TestWildExamples(t *testing.T) {
	kit := kitFolder(t)
	example := func(name string) string { return filepath.Join(kit, "examples", name+".wasm") }
	guest := func(name string) string {
		return filepath.Join(kit, "internal", "test", "testdata", filepath.FromSlash(name)+".wasm")
	}
	const authorization, sesame = "grants: [headers.authorization]", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
	cases := []wildCase{
		{name: "auth: none", module: example("auth"), settings: authorization, method: "GET", path: "/", status: 401, want: "*",
			wantHeader: []string{"WWW-Authenticate", `Basic realm="test"`}},
		{name: "auth: wrong", module: example("auth"), settings: authorization, method: "GET", path: "/", header: []string{"Authorization", "0"}, status: 401, want: "*"},
		{name: "auth: right", module: example("auth"), settings: authorization, method: "GET", path: "/", header: []string{"Authorization", sesame}, status: 200},
		{name: "auth: not granted", module: example("auth"), method: "GET", path: "/", header: []string{"Authorization", sesame}, status: 401, want: "*"},
		{name: "redact: request and response", module: example("redact"), settings: bodies + `, config: "open sesame"`, method: "POST", path: "/", body: "hello open sesame world",
			status: 200, want: "hello ########### world"},
		{name: "redact: nothing", module: example("redact"), settings: bodies + `, config: "open sesame"`, method: "POST", path: "/", body: "hello world", status: 200, want: "hello world"},
		{name: "router: static", module: example("router"), method: "GET", path: "/x", status: 200, want: "hello world"},
		{name: "wasi", module: example("wasi"), settings: bodies, method: "POST", path: "/", body: `{"hello": "panda"}`, status: 200, want: `{"hello": "panda"}`},
		{name: "method", module: guest("e2e/method"), settings: bodies, method: "GET", path: "/", status: 200, want: "GET", wantHeader: []string{"Got-Request", "POST /f8/"}},
		{name: "uri", module: guest("e2e/uri"), settings: bodies, method: "GET", path: "/v1.0/hi?name=panda", status: 200, want: "/f9/v1.0/hi?name=panda",
			wantHeader: []string{"Got-Request", "GET /v1.0/hello?name=teddy"}},
		{name: "header names", module: guest("e2e/header_names"), method: "GET", path: "/", header: []string{"A", "1", "a", "2"}, status: 200},
		{name: "header value", module: guest("e2e/header_value"), method: "GET", path: "/", status: 200, wantHeader: []string{"Got-Content-Type", "text/plain"}},
		{name: "protocol version", module: guest("e2e/protocol_version"), method: "GET", path: "/", status: 200, want: "HTTP/1.1"},
		{name: "context of a request", module: guest("e2e/handle_response"), method: "GET", path: "/", status: 200},
		{name: "panic on the request", module: guest("error/panic_on_handle_request"), method: "GET", path: "/", status: 503, want: "*"},
		{name: "panic on the response", module: guest("error/panic_on_handle_response"), method: "GET", path: "/", status: 503, want: "*"},
		{name: "set a request's header too late", module: guest("error/set_request_header_after_next"), method: "GET", path: "/", status: 503, want: "*",
			logs: "can't change the request's header after the next handler"},
	}
	for features := range 8 {
		cases = append(cases, wildCase{
			name: fmt.Sprintf("features %d", features), module: example("config"),
			settings: fmt.Sprintf(`config: "\x%02x\0\0\0\0\0\0\0"`, features),
			method:   "POST", path: "/", body: "the body", status: 200, want: "the body",
		})
	}
	runWild(t, cases)
}

// TestWildBenchmarks runs the guests of the reference's benchmarks, each a loop
// over one import.
func TestWildBenchmarks(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(kitFolder(t), "internal", "test", "testdata", "bench", "*.wasm"))
	if err != nil || len(files) < 12 {
		t.Fatalf("%d guests, %v", len(files), err)
	}
	var cases []wildCase
	for _, file := range files {
		status := http.StatusOK
		if filepath.Base(file) == "set_status_code.wasm" {
			status = http.StatusNotFound
		}
		cases = append(cases, wildCase{
			name: filepath.Base(file), module: file, settings: bodies,
			method: "POST", path: "/", body: "0123456789", header: []string{"Accept", "x"}, status: status, want: "*",
		})
	}
	runWild(t, cases)
}

// TestWildLog runs the example that traps where debug lines are enabled.
func TestWildLog(t *testing.T) {
	binary, err := os.ReadFile(filepath.Join(kitFolder(t), "examples", "log.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	yaml := wasmRoutes(upstream(t, echo), "log", `module: "file:`+guestFile(t, "log", binary)+`"`)
	g := startWasmLogging(t, slog.LevelInfo, yaml)
	if got := g.do("GET", "/log/", ""); got.StatusCode != 200 || !strings.Contains(g.log.String(), `"msg":"hello world"`) {
		t.Errorf("%d %s\n%s", got.StatusCode, got.body, g.log)
	}
}

// TestRefusedModules shows what a module that does not start is told.
func TestRefusedModules(t *testing.T) {
	binary, err := os.ReadFile(filepath.Join(kitFolder(t), "internal", "test", "testdata", "error", "panic_on_start.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	file := guestFile(t, "panic", binary)
	config := filepath.Join(t.TempDir(), "gateway.yaml")
	text := "listeners: [{address: \"127.0.0.1:0\"}]\n" + wasmRoutes("http://127.0.0.1:1", "panic", `module: "file:`+file+`"`)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = app.New(t.Context(), app.Options{ConfigFile: config, Filters: wasmHost(t, slog.New(slog.DiscardHandler))})
	if err == nil || !strings.Contains(err.Error(), `"panic"`) || !strings.Contains(err.Error(), "unreachable") {
		t.Errorf("%v", err)
	}
}
