package fuel_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"gatehouse.example/gateway/wasm/fuel"
)

// tally counts what came of generated modules.
type tally struct{ valid, returns, traps, stopped int }

// compareGenerated builds a module from data and compares three of its kind:
// as it is, instrumented, and counting naively. With refills, the instrumented
// one could ask for more, and is given nothing.
func compareGenerated(t testing.TB, r wazero.Runtime, data []byte, count *tally, s *refills) {
	t.Helper()
	w := generate(data)
	binary := w.encode(false)
	about, err := fuel.Instrument(binary, fuel.Options{Refill: s != nil})
	if err != nil {
		t.Fatalf("instrument: %v\n%x", err, binary)
	}
	original, err := instantiate(r, binary, w.visible(), nil)
	if err != nil {
		if c, err := r.CompileModule(context.Background(), about.Binary); err == nil {
			_ = c.Close(context.Background())
			t.Errorf("an invalid module has become valid: %x", binary)
		}
		return
	}
	defer original.close()
	count.valid++
	metered, err := instantiate(r, about.Binary, w.visible(), about)
	if err != nil {
		t.Fatalf("instrumented: %v\n%x", err, binary)
	}
	defer metered.close()
	if s != nil {
		s.counter = metered.fuel
	}
	naive, err := instantiate(r, w.encode(true), w.visible(), nil)
	if err != nil {
		t.Fatalf("naive: %v\n%x", err, binary)
	}
	defer naive.close()
	for round := range 2 {
		for i := range w.functions {
			compareCall(t, name("f", i), round, original, metered, naive, count)
		}
	}
	stopHalfway(t, w, metered, naive, count)
	if t.Failed() {
		t.Fatalf("%x", binary)
	}
}

// stopHalfway calls functions with half of what they burn.
func stopHalfway(t testing.TB, w *wasm, metered, naive *running, count *tally) {
	t.Helper()
	for i := range w.functions {
		f := metered.module.ExportedFunction(name("f", i))
		for _, in := range []*running{metered, naive} {
			in.module.ExportedGlobal("g00").(api.MutableGlobal).Set(0)
		}
		naive.fuel.Set(0)
		before := metered.state()
		if before != naive.state() {
			return // a call before this one was stopped
		}
		said := naive.call(naive.module.ExportedFunction(name("f", i)), 1)
		units := int64(naive.fuel.Get())
		if strings.HasPrefix(said, "trap") || units < 2 {
			continue
		}
		budget := fuel.Budget(units/2, 100)
		metered.fuel.Set(budget)
		had := metered.call(f, 1)
		if burnt, _ := fuel.Exhausted(metered.fuel.Get()); !burnt || spentSince(budget, metered.fuel.Get()) <= units/2 {
			t.Errorf("%s: %s with half of %d units, not stopped", name("f", i), had, units)
		}
		if had == unreachable || strings.HasPrefix(had, "trap: used up") {
			count.stopped++
		}
	}
}

func compareCall(t testing.TB, name string, round int, original, metered, naive *running, count *tally) {
	t.Helper()
	for _, in := range []*running{original, metered, naive} {
		in.module.ExportedGlobal("g00").(api.MutableGlobal).Set(0) // ticks
	}
	budget := fuel.Budget(plenty, 10_000)
	metered.fuel.Set(budget)
	naive.fuel.Set(0)
	want := original.call(original.module.ExportedFunction(name), round)
	if have := metered.call(metered.module.ExportedFunction(name), round); have != want {
		t.Errorf("%s: instrumented %s, original %s", name, have, want)
	}
	if have := naive.call(naive.module.ExportedFunction(name), round); have != want {
		t.Errorf("%s: naive %s, original %s", name, have, want)
	}
	if diff := cmp.Diff(original.state(), metered.state()); diff != "" {
		t.Errorf("%s: state of the instrumented (-original +instrumented):\n%s", name, diff)
	}
	now := metered.fuel.Get()
	spent, units := spentSince(budget, now), int64(naive.fuel.Get())
	if strings.HasPrefix(want, "trap") {
		count.traps++
		// A block is paid for when it is entered, if it is not left again.
		if spent < units {
			t.Errorf("%s: spent %d before it trapped, at least %d were executed", name, spent, units)
		}
		return
	}
	count.returns++
	if spent != units {
		t.Errorf("%s: spent %d, executed %d", name, spent, units)
	}
	if now != fuel.Budget(plenty-units, 10_000) {
		t.Errorf("%s: the counter is %#x after %d units, the depth is not what it was", name, now, units)
	}
}

// TestGenerated compares some thousand generated modules. At least nine in
// ten must be valid, return or trap in all ways, and count exactly. Every other
// one could ask for more fuel.
func TestGenerated(t *testing.T) {
	modules := 3000
	if raceDetector {
		modules = 200 // the code of guests is not instrumented for it
	}
	var count tally
	random := rand.New(rand.NewPCG(4, 2))
	data := make([]byte, 600)
	r := newRuntime(t)
	addImports(t, r)
	s := &refills{}
	addRefill(t, r, s)
	for i := range modules {
		refilled := s
		if i%2 == 0 {
			refilled = nil
		}
		for k := range data {
			data[k] = byte(random.Uint32())
		}
		compareGenerated(t, r, data[:100+random.IntN(500)], &count, refilled)
	}
	t.Logf("%d modules: %+v", modules, count)
	if count.valid*10 < modules*9 {
		t.Errorf("%d of %d modules are valid, want at least nine in ten", count.valid, modules)
	}
	if count.returns < modules || count.traps < modules/10 || count.stopped < modules/10 {
		t.Errorf("the modules are too much alike: %+v", count)
	}
}

func FuzzGenerated(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		data := make([]byte, 300)
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		f.Add(data)
	}
	r := newRuntime(f)
	addImports(f, r)
	s := &refills{}
	addRefill(f, r, s)
	f.Fuzz(func(t *testing.T, data []byte) {
		compareGenerated(t, r, data, &tally{}, nil)
		compareGenerated(t, r, data, &tally{}, s)
	})
}
