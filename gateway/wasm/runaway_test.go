package wasm_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse.example/gateway/filter"
	"gatehouse.example/gateway/wasm"
)

// buildRaw makes a filter of a module that a test has written by hand.
func (b *bench) buildRaw(t testing.TB, s filter.Spec, r raw) (filter.Filter, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "raw.wasm")
	if err := os.WriteFile(file, r.wasm(), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Name, s.Module = "raw", "file:"+file
	f, err := b.host.Build(context.Background(), s)
	if err == nil {
		t.Cleanup(func() { _ = f.Close(context.Background()) })
	}
	return f, err
}

// stopsWithin is far more than a runaway needs, and far less than for ever:
// figures are the benchmarks'.
const stopsWithin = 10 * time.Second

// trapIn runs one request that must fail, and returns why.
func trapIn(t *testing.T, f filter.Filter, path string) string {
	t.Helper()
	start := time.Now()
	ex := newExchange("GET", path)
	result, err := f.HandleRequest(context.Background(), ex)
	if err == nil || result.Answered || result.Response != nil {
		t.Fatalf("no trap: %+v", result)
	}
	if took := time.Since(start); took > stopsWithin {
		t.Errorf("stopped after %s", took)
	}
	if result.Usage.Fuel <= 0 {
		t.Errorf("burnt %d units", result.Usage.Fuel)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("not one line: %q", err)
	}
	return err.Error()
}

func TestRunawayGuestsAreStopped(t *testing.T) {
	b := newBench(t)
	f := b.build(t, "mean", "")
	for path, want := range map[string]string{
		"/spin": "used up its fuel (10000000 units): limits.fuel", "/map": "", "/hash": "limits.fuel",
		"/random": "limits.fuel", "/cross": "limits.fuel", "/snapshot": "limits.fuel", "/fill": "limits.fuel",
		"/vectors": "limits.fuel", "/hoard": "limits.memory", "/recurse": "",
	} {
		t.Run(path[1:], func(t *testing.T) {
			if why := trapIn(t, f, path); !strings.Contains(why, want) {
				t.Errorf("%q, want %q", why, want)
			}
			run(t, f, newExchange("GET", "/")).Response.Release()
		})
	}
}

func TestRunawayModulesAreStopped(t *testing.T) {
	request := func(body ...byte) []rawFunction { return []rawFunction{{"handle_request", 0, body}} }
	for _, c := range []struct {
		name   string
		module raw
		want   string
	}{
		{"tight loop", raw{pages: 1, functions: request(append(codeLoop, codeOne...)...)}, "limits.fuel"},
		{"memory.fill", raw{pages: 256, globals: 1, functions: request(append(codeFill, codeOne...)...)}, "limits.fuel"},
		{"recursion", raw{pages: 1, functions: request(0x10, 0)}, "call depth over 8192: limits.call_depth"},
		{"unreachable", raw{pages: 1, functions: request(codeTrap...)}, "unreachable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := newBench(t).buildRaw(t, filter.Spec{}, c.module)
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if why := trapIn(t, f, "/"); !strings.Contains(why, c.want) {
					t.Errorf("%q, want %q", why, c.want)
				}
			}
		})
	}
}

// What runs before the first request is bounded, too, and says which limit.
func TestRunawayStart(t *testing.T) {
	start := func(export string, typ byte) raw {
		return raw{pages: 1, functions: []rawFunction{{export, typ, append(codeLoop, 0x42, 0)}}}
	}
	reactor := raw{pages: 1, functions: []rawFunction{{"_initialize", 2, codeLoop}}}
	command := raw{pages: 1, functions: []rawFunction{{"_start", 2, codeLoop}}}
	section := raw{pages: 1, start: 1, imports: []rawImport{{"http_handler", "get_method", 3}}, functions: []rawFunction{{"", 2, codeLoop}}}
	early := raw{pages: 1, start: 1, imports: []rawImport{{"http_handler", "get_method", 3}},
		functions: []rawFunction{{"", 2, []byte{0x41, 0, 0x41, 0, 0x10, 0, 0x1a}}}}
	for _, c := range []struct {
		name   string
		module raw
		want   string
	}{
		{"_initialize", reactor, "_initialize: it used up its fuel for starting (3000000 units): limits.start_fuel"},
		{"_start", command, "_start: it used up its fuel for starting"},
		{"start section", section, "instantiate: it used up its fuel for starting"},
		{"gatehouse_describe", start("gatehouse_describe", 0), "gatehouse_describe: it used up its fuel for starting"},
		{"request in the start section", early, "there is no request yet"},
		{"unknown import", raw{pages: 1, imports: []rawImport{{"http_handler", "get_moon", 3}}}, "http_handler.get_moon, which does not exist"},
		{"foreign import", raw{pages: 1, imports: []rawImport{{"env", "emscripten", 3}}}, "env.emscripten; filters may import from gatehouse_v1, http_handler, wasi_snapshot_preview1"},
		{"import of another type", raw{pages: 1, imports: []rawImport{{"http_handler", "get_method", 2}}}, "get_method as () -> (), but it is (i32, i32) -> (i32)"},
		{"handler of another type", raw{pages: 1, functions: []rawFunction{{"handle_request", 2, nil}}}, "export handle_request is () -> (), but the ABI wants () -> (i64)"},
		{"large table", raw{pages: 1, table: 70_000}, "70000 elements, more than the allowed 65536"},
		{"large memory", raw{pages: 16 << 10}, "limits.memory: the module starts with 1073741824 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := newBench(t).buildRaw(t, filter.Spec{Limits: filter.Limits{StartFuel: 3_000_000}}, c.module)
			if err == nil {
				t.Fatalf("built %s", f.Name())
			}
			if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q, want one line with %q", err, c.want)
			}
		})
	}
}

func TestModuleSizeIsBounded(t *testing.T) {
	_, err := newBench(t).buildRaw(t, filter.Spec{Limits: filter.Limits{ModuleBytes: 10}}, raw{pages: 1})
	if err == nil || !strings.Contains(err.Error(), "10") {
		t.Errorf("error %v", err)
	}
}

// A filter that traps on every call stays, its instances stay few, and each
// request is told at once.
func TestTrapOnEveryCall(t *testing.T) {
	registry := prometheus.NewRegistry()
	b := newBench(t, func(o *wasm.Options) { o.Registry, o.Limits.Instances = registry, 2 })
	f := b.build(t, "respond", "")
	for range 50 {
		trapIn(t, f, "/panic")
	}
	wasm.Mended(b.host)
	if n := wasm.Instances(b.host); n < 1 || n > 2 {
		t.Errorf("%d instances", n)
	}
	run(t, f, newExchange("GET", "/")).Response.Release()
	gathered, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range gathered {
		for _, m := range family.GetMetric() {
			values[family.GetName()] += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	if restored := values["gatehouse_filter_restored_total"]; restored != 50 {
		t.Errorf("%v instances restored after 50 panics", restored)
	}
	if mended := values["gatehouse_filter_restored_total"] + values["gatehouse_filter_replaced_total"]; mended != 50 {
		t.Errorf("%v instances mended after 50 traps", mended)
	}
	if values["gatehouse_filter_traps_total"] != 50 || values["gatehouse_filter_calls_total"] != 51 ||
		values["gatehouse_filter_fuel_units_total"] < 1000 || values["gatehouse_filter_memory_bytes"] < 1<<20 {
		t.Errorf("metrics %v", values)
	}
}
