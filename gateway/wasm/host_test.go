package wasm_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/filter"
	"gatehouse.example/gateway/wasm"
)

func TestPlainHTTPWasmRequest(t *testing.T) {
	b := newBench(t)
	f := b.build(t, "plain", `{"a":1}`, "body")
	ex := newExchange("PATCH", "/a%26b?x=1", "X-Mode", "echo", "Multi", "one", "multi", "two", "Authorization", "Bearer secret", "Cookie", "a=b")
	ex.Request.Body = exchange.Body{Stream: io.NopCloser(strings.NewReader(strings.Repeat("z", 2500))), Length: -1}
	if !run(t, f, ex).Answered || ex.Response.Status != 201 {
		t.Fatalf("status %d", ex.Response.Status)
	}
	for name, want := range map[string]string{
		"X-Method": "PATCH", "X-Uri": "/a%26b?x=1", "X-Protocol": "HTTP/1.1", "X-Source": "192.0.2.1:40000",
		"X-Config": `{"a":1}`, "X-Names": "host,x-mode,multi", "X-Multi": "one,two", "X-Secret": "", "X-Features": "7",
	} {
		if got := ex.Response.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := string(ex.Response.Body.Bytes); got != "body: "+strings.Repeat("z", 2500) {
		t.Errorf("body of %d bytes", len(got))
	}
}

func TestPlainHTTPWasmChanges(t *testing.T) {
	b := newBench(t)
	f := b.build(t, "plain", "", "body")
	ex := newExchange("GET", "/", "X-Mode", "change", "Existing", "old", "Existing", "older", "Multi", "one", "Gone", "x")
	ex.Request.Body.SetBytes([]byte("hello"))
	result := run(t, f, ex)
	if result.Answered || result.Response == nil {
		t.Fatal("the request does not go on with a response phase")
	}
	r := &ex.Request
	if r.Method != "POST" || r.Path != "/changed path" || r.RawPath != "/changed%20path" || r.Query != "x=1" || string(r.Body.Bytes) != "HELLO" {
		t.Errorf("request %+v", r)
	}
	if got := r.Header.Values(nil, "existing"); len(got) != 1 || got[0] != "new" {
		t.Errorf("existing %q", got)
	}
	if got := r.Header.Values(nil, "multi"); len(got) != 2 || r.Header.Has("gone") {
		t.Errorf("multi %q, gone %v", got, r.Header.Has("gone"))
	}
	ex.Response.Body = exchange.Body{Stream: io.NopCloser(strings.NewReader("answer")), Length: 6}
	if _, err := result.Response.HandleResponse(context.Background(), ex, false); err != nil {
		t.Fatal(err)
	}
	h := &ex.Response.Header
	if ex.Response.Status != 202 || string(ex.Response.Body.Bytes) != "<answer>" || h.Get("X-Context") != "seven" || h.Get("X-Early") != "set before next" {
		t.Errorf("response %d %q %+v", ex.Response.Status, ex.Response.Body.Bytes, h)
	}
}

// A body that a filter only reads is still there for the upstream.
func TestBodySurvivesReading(t *testing.T) {
	f := newBench(t).build(t, "plain", "", "body.request")
	ex := newExchange("POST", "/", "X-Mode", "read")
	ex.Request.Body = exchange.Body{Stream: io.NopCloser(strings.NewReader("seven77")), Length: 7}
	result := run(t, f, ex)
	result.Response.Release()
	if string(ex.Request.Body.Bytes) != "seven77" || ex.Response.Header.Get("X-Length") != "7" {
		t.Errorf("body %q", ex.Request.Body.Bytes)
	}
}

func TestLateChangeTraps(t *testing.T) {
	f := newBench(t).build(t, "plain", "")
	result := run(t, f, newExchange("GET", "/", "X-Mode", "late"))
	_, err := result.Response.HandleResponse(context.Background(), newExchange("GET", "/"), false)
	if err == nil || !strings.Contains(err.Error(), "after the next handler") {
		t.Errorf("error %v", err)
	}
}

func TestResponsePhaseOnSDK(t *testing.T) {
	b := newBench(t)
	f := b.build(t, "respond", `{"rewrite":true}`, "body.response")
	ex := newExchange("GET", "/some/path")
	result := run(t, f, ex)
	ex.Response.Header.Add("Content-Type", "text/plain")
	ex.Response.Body.SetBytes([]byte("quiet"))
	if _, err := result.Response.HandleResponse(context.Background(), ex, false); err != nil {
		t.Fatal(err)
	}
	if ex.Response.Status != 201 || string(ex.Response.Body.Bytes) != "QUIET" || ex.Response.Header.Get("X-Path") != "/some/path" || ex.Response.Header.Get("X-Type") != "text/plain" {
		t.Errorf("%d %q %+v", ex.Response.Status, ex.Response.Body.Bytes, ex.Response.Header)
	}
	answered := newExchange("GET", "/answer")
	if !run(t, f, answered).Answered || answered.Response.Status != 418 || string(answered.Response.Body.Bytes) != "short and stout" {
		t.Errorf("%d %q", answered.Response.Status, answered.Response.Body.Bytes)
	}
}

// Whatever a guest does costs its request, and the next one meets an instance
// that has seen none before.
func TestTraps(t *testing.T) {
	b := newBench(t)
	f := b.build(t, "mean", "")
	for path, want := range map[string]string{
		"/panic": "on purpose", "/exit": "code 3", "/nil": "", "/recurse": "", "/hoard": "",
		"/pointer": "outside the guest's memory", "/crlf": "control byte", "/name": "not a token",
	} {
		t.Run(path[1:], func(t *testing.T) {
			result, err := f.HandleRequest(context.Background(), newExchange("GET", path))
			if err == nil || result.Answered || result.Response != nil {
				t.Fatalf("no error: %+v", result)
			}
			if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q, want one line with %q", err, want)
			}
			// The instance that replaces it may be still on its way.
			ex := newExchange("GET", "/")
			result = run(t, f, ex)
			result.Response.Release()
			if ex.Response.Status != 200 {
				t.Errorf("the next request fails: %d", ex.Response.Status)
			}
		})
	}
}

func TestInstanceIsReplacedAfterTrap(t *testing.T) {
	b := newBench(t, func(o *wasm.Options) { o.Limits.Instances = 1 })
	f := b.build(t, "mean", "")
	served := func() string {
		ex := newExchange("GET", "/")
		result := run(t, f, ex)
		result.Response.Release()
		return ex.Response.Header.Get("X-Served")
	}
	if a, b := served(), served(); a != "1" || b != "2" {
		t.Fatalf("served %s, %s: not one instance", a, b)
	}
	if _, err := f.HandleRequest(context.Background(), newExchange("GET", "/panic")); err == nil {
		t.Fatal("no trap")
	}
	if got := served(); got != "1" {
		t.Errorf("the instance that trapped was used again: served %s", got)
	}
}

func TestNotGranted(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct{ path, want string }{
		{"/token", "8"}, {"/policy", "-8"}, {"/key", "8"}, {"/limit", "9"}, {"/late-limit", "-9"}, {"/garbage", "9"},
	} {
		ex := newExchange("GET", c.path, "Authorization", "Bearer "+b.token(t, claims{}))
		f := b.build(t, "mean", "")
		result := run(t, f, ex)
		result.Response.Release()
		if got := ex.Response.Header.Get("X-Status"); got != c.want {
			t.Errorf("%s: status %s, want %s", c.path, got, c.want)
		}
		if ex.Principal.Authenticated() {
			t.Errorf("%s: the principal is set", c.path)
		}
	}
}

func TestGrantedSensitiveHeaders(t *testing.T) {
	f := newBench(t).build(t, "plain", "", "headers.sensitive", "body.request")
	ex := newExchange("GET", "/", "X-Mode", "echo", "Authorization", "Bearer secret")
	run(t, f, ex)
	if got := ex.Response.Header.Get("X-Secret"); got != "Bearer secret" {
		t.Errorf("X-Secret %q", got)
	}
}

func TestGuestLogIsLimited(t *testing.T) {
	var out lockedBuffer
	b := newBench(t, func(o *wasm.Options) { o.Logger = slog.New(slog.NewTextHandler(&out, nil)) })
	f := b.build(t, "mean", "")
	result := run(t, f, newExchange("GET", "/logs"))
	result.Response.Release()
	if n := strings.Count(out.String(), "\n"); n == 0 || n > wasm.DefaultLogLines {
		t.Errorf("%d lines", n)
	}
	if out.Len() > 200<<10 {
		t.Errorf("%d bytes of log", out.Len())
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func TestBuildRefuses(t *testing.T) {
	b := newBench(t)
	good, err := guestModule("noop")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "good.wasm")
	for name, data := range map[string][]byte{"good.wasm": good, "text.wasm": []byte("not wasm at all"), "empty.wasm": []byte("\x00asm\x01\x00\x00\x00"), "huge.wasm": hugeMemory} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sum := sha256.Sum256(good)
	for _, c := range []struct {
		name string
		spec filter.Spec
		want string
	}{
		{"unknown source", filter.Spec{Module: "http://x"}, "want builtin:NAME, file:PATH or https:"},
		{"unknown built-in", filter.Spec{Module: "builtin:nothing"}, "nothing"},
		{"no file", filter.Spec{Module: "file:" + filepath.Join(dir, "none.wasm")}, "no such file"},
		{"no module", filter.Spec{Module: "file:" + filepath.Join(dir, "text.wasm")}, "compile"},
		{"no handler", filter.Spec{Module: "file:" + filepath.Join(dir, "empty.wasm")}, "memory"},
		{"pin", filter.Spec{Module: "file:" + file, SHA256: strings.Repeat("0", 64)}, "the module's is " + hex.EncodeToString(sum[:])},
		{"unknown grant", filter.Spec{Module: "file:" + file, Grants: []string{"root"}}, `"root" is unknown`},
		{"needed grant", spec("jwt", ""), `the filter needs "jwt"`},
		{"unknown field", spec("ratelimit", `{"limits":[{"rate":5}],"limit":[]}`), "config/limit: unknown field; known: "},
		{"wrong type", spec("ratelimit", `{"limits":[{"rate":"5"}]}`), "config/limits/0/rate: want a whole number, have a string"},
		{"wrong duration", spec("ratelimit", `{"limits":[{"rate":5,"per":"soon"}]}`), "config/limits/0/per: want a duration"},
		{"wrong rate", spec("ratelimit", `{"limits":[{"rate":0}]}`), "config/limits/0/rate: want at least 1"},
		{"no limits", spec("ratelimit", `{}`), "config/limits"},
		{"wrong key", spec("ratelimit", `{"key":"moon","limits":[{"rate":5}]}`), "config/key"},
		{"star with credentials", spec("cors", `{"origins":["*"],"credentials":true}`), "credentials"},
		{"origin with path", spec("cors", `{"origins":["http://a/"]}`), "config/origins/0"},
		{"no audience", spec("jwt", `{"issuers":[{"issuer":"self"}]}`, "jwt"), "audience"},
		{"memory", filter.Spec{Module: "file:" + file, Limits: filter.Limits{Memory: 64 << 10}}, "limits.memory"},
		{"declared memory", filter.Spec{Module: "file:" + filepath.Join(dir, "huge.wasm")}, "limits.memory: the module starts with 1073741824 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := b.host.Build(context.Background(), c.spec)
			if err == nil {
				_ = f.Close(context.Background())
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q, want one line with %q", err, c.want)
			}
		})
	}
	t.Run("right pin", func(t *testing.T) {
		f, err := b.host.Build(context.Background(), filter.Spec{Module: "file:" + file, SHA256: hex.EncodeToString(sum[:])})
		if err != nil {
			t.Fatal(err)
		}
		_ = f.Close(context.Background())
	})
}

// hugeMemory is a handler that declares 1 GiB of memory.
var hugeMemory = []byte("\x00asm\x01\x00\x00\x00" +
	"\x01\x0a\x02\x60\x00\x01\x7e\x60\x02\x7f\x7f\x00" + // types: ()→i64, (i32,i32)→()
	"\x03\x03\x02\x00\x01" + // two functions
	"\x05\x05\x01\x00\x80\x80\x01" + // memory: at least 16384 pages
	"\x07\x2d\x03\x06memory\x02\x00\x0ehandle_request\x00\x00\x0fhandle_response\x00\x01" +
	"\x0a\x09\x02\x04\x00\x42\x01\x0b\x02\x00\x0b") // i64.const 1; nothing

func TestQueueIsBounded(t *testing.T) {
	b := newBench(t, func(o *wasm.Options) { o.Limits.QueueTimeout = 20 * time.Millisecond })
	s := spec("respond", "")
	s.Limits.Instances = 2
	f, err := b.host.Build(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	// Closed by the test, before the bench closes the host.
	defer func() { _ = f.Close(context.Background()) }()
	a, c := run(t, f, newExchange("GET", "/")), run(t, f, newExchange("GET", "/"))
	start := time.Now()
	if _, err := f.HandleRequest(context.Background(), newExchange("GET", "/")); err == nil {
		t.Fatal("a third request found an instance")
	}
	if waited := time.Since(start); waited < 15*time.Millisecond || waited > 5*time.Second {
		t.Errorf("waited %s", waited)
	}
	a.Response.Release()
	if got := run(t, f, newExchange("GET", "/")); got.Response == nil {
		t.Error("no instance after one came back")
	} else {
		got.Response.Release()
	}
	c.Response.Release()
}

func TestConcurrentRequestsAndClose(t *testing.T) {
	b := newBench(t)
	f := b.build(t, "ratelimit", `{"limits":[{"rate":1000000,"per":"1s"}]}`)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				ex := newExchange("GET", "/")
				if _, err := f.HandleRequest(context.Background(), ex); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// Close waits for the response phase of a request in flight.
func TestCloseWaits(t *testing.T) {
	b := newBench(t)
	f, err := b.host.Build(context.Background(), spec("respond", ""))
	if err != nil {
		t.Fatal(err)
	}
	result := run(t, f, newExchange("GET", "/"))
	done := make(chan error, 1)
	go func() { done <- f.Close(context.Background()) }()
	select {
	case err := <-done:
		t.Fatalf("closed under a request: %v", err)
	case <-time.After(30 * time.Millisecond):
	}
	if _, err := result.Response.HandleResponse(context.Background(), newExchange("GET", "/"), true); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := f.HandleRequest(context.Background(), newExchange("GET", "/")); err == nil {
		t.Error("a closed filter still handles requests")
	}
}

func TestCacheFolderMustBePrivate(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := wasm.New(context.Background(), wasm.Options{CacheDir: dir}); err == nil || !strings.Contains(err.Error(), "chmod 700") {
		t.Errorf("error %v", err)
	}
}

func TestPrecompileFillsTheCache(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "compiled")
	b := newBench(t, func(o *wasm.Options) { o.CacheDir = dir })
	if err := b.host.Precompile(context.Background(), hugeMemory); err != nil {
		t.Fatal(err)
	}
	files := 0
	_ = filepath.WalkDir(dir, func(_ string, d os.DirEntry, _ error) error {
		if !d.IsDir() {
			files++
		}
		return nil
	})
	if files != 1 {
		t.Errorf("%d files in the cache", files)
	}
}
