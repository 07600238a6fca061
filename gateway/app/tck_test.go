package app_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/http-wasm/http-wasm-host-go/tck"

	"gatehouse.example/gateway/app"
	"gatehouse.example/gateway/wasm"
)

// TestTCK runs the kit of the http-wasm handler ABI against the gateway as it
// is: its listener, a filter from a file, its proxy, the kit's own backend.
func TestTCK(t *testing.T) {
	backend := tck.StartBackend("127.0.0.1:0")
	t.Cleanup(backend.Close)
	g := startWasm(t, `filters: {tck: {module: "file:`+guestFile(t, "tck", tck.GuestWASM)+`", grants: [body]}}
upstreams: {backend: {targets: ["`+backend.URL+`"]}}
routes: [{name: all, match: {path: "/*"}, filters: [tck], upstream: backend}]
`)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(errorLines(g))
		}
	})
	tck.Run(t, &http.Client{Transport: http.DefaultTransport}, g.url)
}

// startWasm is start with a host that runs WebAssembly.
func startWasm(t *testing.T, yaml string) *gateway {
	t.Helper()
	return startWasmLogging(t, slog.LevelDebug, yaml)
}

// startWasmLogging is startWasm with lines of the level and above.
func startWasmLogging(t *testing.T, level slog.Level, yaml string) *gateway {
	t.Helper()
	logs := &logBuffer{}
	logger := slog.New(slog.NewJSONHandler(logs, &slog.HandlerOptions{Level: level}))
	host := wasmHost(t, logger)
	g := start(t, yaml, func(o *app.Options) { o.Filters, o.Logger = host, logger })
	g.log = logs
	return g
}

// wasmHost is a host that ends with the test.
func wasmHost(t *testing.T, logger *slog.Logger) *wasm.Host {
	t.Helper()
	host, err := wasm.New(context.Background(), wasm.Options{CacheDir: compiledFolder(t), Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := host.Close(context.Background()); err != nil {
			t.Errorf("close host: %v", err)
		}
	})
	return host
}

// maxCompiled bounds how many compiled guests are kept between runs.
const maxCompiled = 256

// compiledFolder is below the checkout's ignored .cache, since to compile takes
// most of the time under the race detector.
func compiledFolder(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../.cache/app-test")
	if err != nil {
		t.Fatal(err)
	}
	if old, _ := filepath.Glob(filepath.Join(dir, "*", "*")); len(old) > maxCompiled {
		_ = os.RemoveAll(dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// guestFile writes a guest where a configuration can name it.
func guestFile(t *testing.T, name string, binary []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name+".wasm")
	if err := os.WriteFile(file, binary, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// wasmRoutes is a configuration with one route below /NAME for each filter.
// filters are NAME and its YAML in turn.
func wasmRoutes(target string, filters ...string) string {
	var b strings.Builder
	b.WriteString("limits: {max_body: 16MiB}\nfilters:\n")
	for i := 0; i < len(filters); i += 2 {
		fmt.Fprintf(&b, "  %s: {%s}\n", filters[i], filters[i+1])
	}
	fmt.Fprintf(&b, "upstreams: {u: {targets: [%q]}}\nroutes:\n", target)
	for i := 0; i < len(filters); i += 2 {
		fmt.Fprintf(&b, "  - {name: %s, match: {path: \"/%s/*\"}, filters: [%s], upstream: u}\n", filters[i], filters[i], filters[i])
	}
	return b.String()
}
