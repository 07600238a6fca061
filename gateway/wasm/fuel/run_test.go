package fuel_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"gatehouse.example/gateway/wasm/fuel"
)

// plenty is a budget that generated modules do not use up.
const plenty = 1 << 40

// spentSince is how many units were burnt since the counter held budget.
func spentSince(budget, now uint64) int64 { return fuel.Left(budget - now) }

// running is an instance of a module under construction.
type running struct {
	module api.Module
	code   wazero.CompiledModule
	calls  *[]string // of imports
	names  []string  // of the globals to compare
	fuel   api.MutableGlobal
}

func newRuntime(t testing.TB) wazero.Runtime {
	t.Helper()
	r := wazero.NewRuntimeWithConfig(context.Background(),
		wazero.NewRuntimeConfig().WithCoreFeatures(api.CoreFeaturesV2).WithDebugInfoEnabled(false))
	t.Cleanup(func() { _ = r.Close(context.Background()) })
	return r
}

type callsKey struct{}

// addImports makes env: i00 takes and gives an i32, i01 takes an f32.
func addImports(t testing.TB, r wazero.Runtime) {
	t.Helper()
	b := r.NewHostModuleBuilder("env")
	note := func(ctx context.Context, name string, v uint64) {
		calls, _ := ctx.Value(callsKey{}).(*[]string)
		*calls = append(*calls, fmt.Sprint(name, v))
	}
	b.NewFunctionBuilder().WithGoFunction(api.GoFunc(func(ctx context.Context, stack []uint64) {
		note(ctx, "i00 ", uint64(uint32(stack[0])))
		stack[0] = uint64(uint32(stack[0]) + 1)
	}), []api.ValueType{i32}, []api.ValueType{i32}).Export("i00")
	b.NewFunctionBuilder().WithGoFunction(api.GoFunc(func(ctx context.Context, stack []uint64) {
		note(ctx, "i01 ", uint64(uint32(stack[0]))) // the rest is undefined
	}), []api.ValueType{f32}, nil).Export("i01")
	if _, err := b.Instantiate(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// instantiate runs a binary; about is nil for one that is not instrumented.
func instantiate(r wazero.Runtime, binary []byte, names []string, about *fuel.Module) (*running, error) {
	c, err := r.CompileModule(context.Background(), binary)
	if err != nil {
		return nil, err
	}
	return instantiateCompiled(r, c, names, about)
}

func instantiateCompiled(r wazero.Runtime, c wazero.CompiledModule, names []string, about *fuel.Module) (in *running, err error) {
	in = &running{calls: new([]string), names: names, code: c}
	ctx := context.WithValue(context.Background(), callsKey{}, in.calls)
	if in.module, err = r.InstantiateModule(ctx, c, wazero.NewModuleConfig().WithName("").WithStartFunctions()); err != nil {
		return nil, err
	}
	counter := "count"
	if about != nil {
		counter = about.Counter
	}
	in.fuel, _ = in.module.ExportedGlobal(counter).(api.MutableGlobal)
	return in, nil
}

func (in *running) close() {
	_ = in.module.Close(context.Background())
	_ = in.code.Close(context.Background())
}

// call calls an export with arguments that depend on round, and returns what
// came of it in words.
func (in *running) call(f api.Function, round int) string {
	var args []uint64
	for i, p := range f.Definition().ParamTypes() {
		v := uint64(round*7 + i*3)
		switch p {
		case f32:
			v = api.EncodeF32(float32(v))
		case f64:
			v = api.EncodeF64(float64(v) / 2)
		}
		args = append(args, v)
	}
	ctx := context.WithValue(context.Background(), callsKey{}, in.calls)
	results, err := f.Call(ctx, args...)
	if err != nil {
		text, _, _ := strings.Cut(err.Error(), "\n")
		return "trap: " + strings.TrimPrefix(text, "module closed with ")
	}
	return fmt.Sprint(results)
}

// state is memory, globals and calls in words.
func (in *running) state() string {
	var b strings.Builder
	if m := in.module.Memory(); m != nil {
		content, _ := m.Read(0, m.Size())
		fmt.Fprintf(&b, "memory %d %x ", m.Size(), sha256.Sum256(content))
	}
	for _, n := range in.names {
		fmt.Fprintf(&b, "%s=%d ", n, in.module.ExportedGlobal(n).Get())
	}
	fmt.Fprint(&b, *in.calls)
	return b.String()
}

// visible are the names of the globals that all encodings of a module export.
func (w *wasm) visible() []string {
	var names []string
	for i, g := range w.globals {
		if !g.hidden {
			names = append(names, name("g", i))
		}
	}
	return names
}
