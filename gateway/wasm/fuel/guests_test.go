package fuel_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/wasm/fuel"
)

// goGuest is a guest of the repository and a configuration that it takes.
type goGuest struct{ name, pkg, config string }

func goGuests() []goGuest {
	const filters, testdata = "gatehouse.example/plugins/filters/", "gatehouse.example/gateway/wasm/testdata/"
	return []goGuest{
		{"ratelimit", filters + "ratelimit", `{"limits":[{"rate":5,"per":"1s","burst":10}]}`},
		{"apikey", filters + "apikey", ""},
		{"cors", filters + "cors", `{"origins":["https://a.example"]}`},
		{"jwt", filters + "jwt", ""},
		{"plain", testdata + "plain", ""},
		{"mean", testdata + "mean", ""},
		{"respond", testdata + "respond", ""},
		{"noop", testdata + "noop", ""},
	}
}

// snapshot is a request as request_snapshot gives it.
func snapshot() []byte {
	b := []byte{filterv1.SnapshotVersion}
	for _, s := range []string{"GET", "/v1/users/1?a=b", "https", "api.example", "/v1/users/1", "a=b", "HTTP/1.1", "192.0.2.1"} {
		b = filterv1.AppendString(b, s)
	}
	b = filterv1.AppendUint32(b, 40_000)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1)
	b = filterv1.AppendString(filterv1.AppendString(b, "users-read"), "request-1")
	b = filterv1.AppendUint32(b, 3)
	for _, s := range []string{"origin", "https://a.example", "authorization", "Bearer a.b.c", "x-api-key", "gatehouse_test_1_2"} {
		b = filterv1.AppendString(b, s)
	}
	return b
}

// buildGuest builds a package as make plugins does.
func buildGuest(t testing.TB, pkg string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "guest.wasm")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-buildmode=c-shared", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, text)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// addStubs makes the modules that a guest imports other than WASI. They note
// their calls, and answer with nothing but the configuration and a request.
func addStubs(t testing.TB, r wazero.Runtime, c wazero.CompiledModule, config string) {
	t.Helper()
	if _, err := wasi_snapshot_preview1.Instantiate(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	texts := map[string][]byte{"get_config": []byte(config), "request_snapshot": snapshot(), "get_uri": []byte("/v1/users/1?a=b")}
	modules := make(map[string]wazero.HostModuleBuilder)
	for _, f := range c.ImportedFunctions() {
		from, name, _ := f.Import()
		if from == wasi_snapshot_preview1.ModuleName {
			continue
		}
		if modules[from] == nil {
			modules[from] = r.NewHostModuleBuilder(from)
		}
		modules[from].NewFunctionBuilder().
			WithGoModuleFunction(stub(name, f.ParamTypes(), f.ResultTypes(), texts[name]), f.ParamTypes(), f.ResultTypes()).
			Export(name)
	}
	for _, b := range modules {
		if _, err := b.Instantiate(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

func stub(name string, params, results []api.ValueType, answer []byte) api.GoModuleFunc {
	return func(ctx context.Context, m api.Module, stack []uint64) {
		line := name
		for i, p := range params {
			v := stack[i]
			if p == i32 {
				v = uint64(uint32(v))
			}
			line += fmt.Sprint(" ", v)
		}
		calls, _ := ctx.Value(callsKey{}).(*[]string)
		*calls = append(*calls, line)
		if len(results) == 0 {
			return
		}
		if n := uint32(len(answer)); n > 0 && uint32(stack[1]) >= n {
			m.Memory().Write(uint32(stack[0]), answer)
		}
		stack[0] = uint64(len(answer))
	}
}

// guestRuntime keeps what it compiles below the checkout's ignored .cache, for
// under the race detector compiling takes most of the time.
func guestRuntime(t testing.TB) wazero.Runtime {
	t.Helper()
	dir, err := filepath.Abs("../../../.cache/fuel-test")
	if err != nil {
		t.Fatal(err)
	}
	if old, _ := filepath.Glob(filepath.Join(dir, "*", "*")); len(old) > maxCompiled {
		_ = os.RemoveAll(dir)
	}
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	r := wazero.NewRuntimeWithConfig(context.Background(),
		wazero.NewRuntimeConfig().WithDebugInfoEnabled(false).WithCompilationCache(cache))
	t.Cleanup(func() {
		_ = r.Close(context.Background())
		_ = cache.Close(context.Background())
	})
	return r
}

// maxCompiled bounds how many compiled guests are kept between runs.
const maxCompiled = 64

// startGuest runs a guest in a runtime of its own, whose clocks and randomness
// are the same each time.
func startGuest(t testing.TB, binary []byte, config string, about *fuel.Module) (*running, wazero.CompiledModule) {
	t.Helper()
	r := guestRuntime(t)
	c, err := r.CompileModule(experimental.WithCompilationWorkers(context.Background(), runtime.GOMAXPROCS(0)), binary)
	if err != nil {
		t.Fatal(err)
	}
	addStubs(t, r, c, config)
	in, err := instantiateCompiled(r, c, nil, about)
	if err != nil {
		t.Fatal(err)
	}
	return in, c
}

// exportsOf are the exports that both modules should have.
func exportsOf(c wazero.CompiledModule) map[string]string {
	e := make(map[string]string)
	for n, f := range c.ExportedFunctions() {
		e[n] = fmt.Sprintf("%x %x", f.ParamTypes(), f.ResultTypes())
	}
	for n, m := range c.ExportedMemories() {
		most, bounded := m.Max()
		e[n] = fmt.Sprint(m.Min(), most, bounded)
	}
	return e
}

// TestGuests compares all guests of the repository with what they become:
// exports, results, traps, memory and what they call.
func TestGuests(t *testing.T) {
	guests := goGuests()
	if raceDetector {
		// Nothing here runs in parallel but the compiler of the runtime.
		guests = []goGuest{guests[0], guests[4]}
	}
	for _, g := range guests {
		t.Run(g.name, func(t *testing.T) {
			binary := buildGuest(t, g.pkg)
			about, err := fuel.Instrument(binary, fuel.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if !about.Restorable || !about.ImportsRandom || len(about.Globals) != 8 || about.MemoryMin == 0 {
				t.Errorf("restorable %t, random %t, globals %q, memory %d", about.Restorable, about.ImportsRandom, about.Globals, about.MemoryMin)
			}
			t.Logf("%d bytes become %d", len(binary), len(about.Binary))
			compareGuest(t, g, binary, about)
		})
	}
}

func compareGuest(t *testing.T, g goGuest, binary []byte, about *fuel.Module) {
	t.Helper()
	original, a := startGuest(t, binary, g.config, nil)
	metered, b := startGuest(t, about.Binary, g.config, about)
	if diff := cmp.Diff(exportsOf(a), exportsOf(b)); diff != "" {
		t.Errorf("exports (-original +instrumented):\n%s", diff)
	}
	burnt := int64(0)
	for round, export := range []string{
		"_initialize", "gatehouse_describe", "gatehouse_start", "handle_request", "handle_request", "handle_response", "handle_request",
	} {
		f := original.module.ExportedFunction(export)
		if f == nil {
			continue
		}
		budget := fuel.Budget(1<<40, 10_000)
		metered.fuel.Set(budget)
		want, have := original.call(f, round), metered.call(metered.module.ExportedFunction(export), round)
		t.Logf("%s: %s, %d units", export, want, spentSince(budget, metered.fuel.Get()))
		if want != have {
			t.Errorf("%s: instrumented %s, original %s", export, have, want)
		}
		if diff := cmp.Diff(original.state(), metered.state()); diff != "" {
			t.Errorf("%s: state (-original +instrumented):\n%s", export, diff)
		}
		burnt += spentSince(budget, metered.fuel.Get())
	}
	if burnt < 10_000 {
		t.Errorf("a guest of Go starts and answers with %d units", burnt)
	}
}
