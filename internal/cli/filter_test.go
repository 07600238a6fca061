package cli_test

import (
	"bufio"
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gatehouse.example/internal/cli"
)

// asCommand is the variable that makes this test binary the gatehouse command,
// so that what the scaffold's Makefile executes is what is tested.
const asCommand = "RUN_AS_GATEHOUSE"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		os.Exit(cli.Run(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// offline is the environment without the network and without anyone's flags.
func offline(t *testing.T) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var env []string
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); name != "GOFLAGS" && name != "MAKEFLAGS" && name != "MAKELEVEL" {
			env = append(env, kv)
		}
	}
	return append(env, "GOPROXY=off", asCommand+"=1", "GATEHOUSE_BIN="+self)
}

func gatehouse(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = cli.Run(args, &out, &err)
	return code, out.String(), err.String()
}

func makeTarget(t *testing.T, dir string, targets ...string) string {
	t.Helper()
	cmd := exec.Command("make", targets...)
	cmd.Dir, cmd.Env = dir, offline(t)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("make %v: %v\n%s", targets, err, out)
	}
	return string(out)
}

// TestFilterAuthor goes the way of an author: a scaffold, its tests, cases that
// fail, and a run before a live upstream.
func TestFilterAuthor(t *testing.T) {
	sdk, err := filepath.Abs("../../sdk")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	if code, out, errs := gatehouse(t, "filter", "new", "hello", "--sdk", sdk); code != 0 || !strings.Contains(out, "made hello") {
		t.Fatalf("code %d, %s%s", code, out, errs)
	}
	if code, _, errs := gatehouse(t, "filter", "new", "hello", "--sdk", sdk); code != 1 || !strings.Contains(errs, "is there already") {
		t.Errorf("a second time: code %d, %s", code, errs)
	}
	if code, _, errs := gatehouse(t, "filter", "new", "other"); code != 2 || !strings.Contains(errs, "--sdk is missing") {
		t.Errorf("without --sdk: code %d, %s", code, errs)
	}
	if out := makeTarget(t, "hello", "test"); !strings.Contains(out, "ok  \texample.com/hello") || !strings.Contains(out, "4 of 4 cases pass") {
		t.Errorf("make test:\n%s", out)
	}
	t.Run("test", func(t *testing.T) { testCases(t, "hello/hello.wasm") })
	t.Run("run", func(t *testing.T) { testRun(t, "hello") })
}

// The TinyGo template is plain Go too.
func TestTinyGoTemplate(t *testing.T) {
	t.Chdir(t.TempDir())
	if code, _, errs := gatehouse(t, "filter", "new", "tiny", "--template", "tinygo"); code != 0 {
		t.Fatalf("code %d, %s", code, errs)
	}
	build := exec.Command("go", "build", "-buildmode=c-shared", "-o", "tiny.wasm", ".")
	build.Dir, build.Env = "tiny", append(offline(t), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	code, out, errs := gatehouse(t, "filter", "test", "tiny/tiny.wasm", "--cases", "tiny/cases.json")
	if code != 0 || !strings.Contains(out, "PASS  blocks what is encoded") {
		t.Errorf("code %d\n%s%s", code, out, errs)
	}
}

// A plain http-wasm handler says nothing of itself: what its imports need is
// granted, as `filter inspect` tells.
func TestFilterTestGrantsWhatImportsNeed(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{
		"go.mod": "module example.com/plain\n\ngo 1.24\n",
		"main.go": `package main

import "unsafe"

//go:wasmimport http_handler read_body
func readBody(kind uint32, buf unsafe.Pointer, limit uint32) uint64

var buf [64]byte

//go:wasmexport handle_request
func handleRequest() uint64 {
	readBody(0, unsafe.Pointer(&buf[0]), 64)
	return 1
}

//go:wasmexport handle_response
func handleResponse(_, _ uint32) {}

func main() {}
`,
		"cases.json": `{"cases":[{"name":"reads","request":{"method":"POST","body":"x"},"expect":{"status":200}}]}`,
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-buildmode=c-shared", "-o", "plain.wasm", ".")
	build.Env = append(offline(t), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if code, out, errs := gatehouse(t, "filter", "test", "plain.wasm", "--cases", "cases.json"); code != 0 {
		t.Errorf("code %d\n%s%s", code, out, errs)
	}
}

func testCases(t *testing.T, module string) {
	const failing = `{"cases": [
		{"name": "fine", "request": {"uri": "/"}, "expect": {"status": 200, "header": {"X-None": null}}},
		{"name": "wrong", "request": {"uri": "/"}, "expect": {"status": 418, "request": {"header": {"X-Filter": "bye", "X-Gone": "1"}}}}]}`
	if err := os.WriteFile("failing.json", []byte(failing), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := gatehouse(t, "filter", "test", module, "--cases", "failing.json")
	for _, want := range []string{"PASS  fine", "FAIL  wrong", "status 200, want 418", `request header X-Filter is "hello", want "bye"`, "request header X-Gone is missing", "1 of 2 cases pass"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing:\n%s", want, out)
		}
	}
	if code != 1 || !strings.Contains(errs, "does not do what the cases expect") {
		t.Errorf("code %d, %s", code, errs)
	}
	if code, out, errs := gatehouse(t, "filter", "test", module); code != 0 || out != "PASS  hello starts\n" {
		t.Errorf("code %d, %s%s", code, out, errs)
	}
	if code, _, errs := gatehouse(t, "filter", "test", module, "--config", `{"heeder":"x"}`); code != 1 || !strings.Contains(errs, "heeder") {
		t.Errorf("a wrong configuration: code %d, %s", code, errs)
	}
	if code, _, errs := gatehouse(t, "filter", "test", module, "--config", "{"); code != 2 || !strings.Contains(errs, "--config is not JSON") {
		t.Errorf("no JSON: code %d, %s", code, errs)
	}
}

// running is a `gatehouse filter run`.
type running struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string
	url   string
}

func startRun(t *testing.T, args ...string) *running {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := &running{t: t, cmd: exec.Command(self, append([]string{"filter", "run"}, args...)...), lines: make(chan string, 100)}
	r.cmd.Env = offline(t)
	var errs bytes.Buffer
	r.cmd.Stderr = &errs
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(r.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			r.lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		_ = r.cmd.Process.Signal(os.Interrupt)
		kill := time.AfterFunc(20*time.Second, func() { _ = r.cmd.Process.Kill() })
		for range r.lines { // until its end
		}
		if err := r.cmd.Wait(); err != nil || !kill.Stop() {
			t.Errorf("after an interrupt: %v\n%s", err, errs.String())
		}
	})
	r.url = regexp.MustCompile(`http://[0-9.:]+`).FindString(r.wait("filter hello on http://"))
	return r
}

// wait returns the next line with text in it.
func (r *running) wait(text string) string {
	r.t.Helper()
	timeout := time.After(60 * time.Second)
	var seen []string
	for {
		select {
		case line, ok := <-r.lines:
			if !ok {
				r.t.Fatalf("the run has ended; no line with %q after\n%s", text, strings.Join(seen, "\n"))
			}
			if strings.Contains(line, text) {
				return line
			}
			seen = append(seen, line)
		case <-timeout:
			r.t.Fatalf("no line with %q after\n%s", text, strings.Join(seen, "\n"))
		}
	}
}

func (r *running) get(path string) *http.Response {
	r.t.Helper()
	resp, err := http.Get(r.url + path)
	if err != nil {
		r.t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

// replace puts a file where another is, at once.
func replace(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file+".new", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

func testRun(t *testing.T, dir string) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Saw", r.Header.Get("X-Filter"))
	}))
	t.Cleanup(upstream.Close)
	module := filepath.Join(dir, "hello.wasm")
	r := startRun(t, module, "--upstream", upstream.URL, "--config", `{"blocked":["/private"]}`)
	if resp := r.get("/shop"); resp.StatusCode != 200 || resp.Header.Get("X-Saw") != "hello" {
		t.Errorf("status %d, upstream saw %q", resp.StatusCode, resp.Header.Get("X-Saw"))
	}
	if line := r.wait("GET /shop  next"); !regexp.MustCompile(`[1-9][0-9]* fuel  [0-9]+ µs$`).MatchString(line) {
		t.Errorf("decision %q", line)
	}
	r.wait("+X-Filter: hello")
	r.wait("response +X-Filtered-By: hello")
	if resp := r.get("/private"); resp.StatusCode != 403 {
		t.Errorf("blocked: %d", resp.StatusCode)
	}
	r.wait("GET /private  answered 403")

	replace(t, module, []byte("no module at all"))
	if line := r.wait("not reloaded"); !strings.Contains(line, "the old one stays") || strings.Contains(line, "gateway.yaml") {
		t.Errorf("a broken module: %q", line)
	}
	if resp := r.get("/shop"); resp.StatusCode != 200 {
		t.Errorf("after a broken module: %d", resp.StatusCode)
	}
	source := filepath.Join(dir, "main.go")
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	// A panic is a trap of one request; the next one is served.
	replace(t, source, bytes.Replace(text, []byte("path := r.Path()"), []byte("path := r.Path()\n\tif path == \"/shop\" {\n\t\tprintln(\"looking at\", path)\n\t}\n\tif path == \"/trap\" {\n\t\tpanic(\"broken on purpose\")\n\t}"), 1))
	if err := os.Remove(module); err != nil {
		t.Fatal(err)
	}
	makeTarget(t, dir, "build")
	r.wait("reloaded hello.wasm")
	if resp := r.get("/trap"); resp.StatusCode != 503 {
		t.Errorf("a trap: %d", resp.StatusCode)
	}
	if line := r.wait("GET /trap  failed"); !strings.Contains(line, "broken on purpose") {
		t.Errorf("the reason is missing: %q", line)
	}
	if resp := r.get("/shop"); resp.StatusCode != 200 {
		t.Errorf("after a trap: %d", resp.StatusCode)
	}
	r.wait("printed: looking at /shop")
	code, out, errs := gatehouse(t, "filter", "test", module, "--cases", filepath.Join(dir, "cases.json"))
	if code != 0 || !strings.Contains(out, "log: printed: looking at /shop") {
		t.Errorf("what the filter prints is not shown: code %d\n%s%s", code, out, errs)
	}
}
