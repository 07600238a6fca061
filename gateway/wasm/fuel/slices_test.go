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

// slice is how many units a module is given at a time.
const slice = 50

// refills counts what instances were given; the module under test is the one
// that calls.
type refills struct {
	given   int64
	most    int64 // trap instead beyond it
	counter api.MutableGlobal
}

func addRefill(t testing.TB, r wazero.Runtime, s *refills) {
	t.Helper()
	b := r.NewHostModuleBuilder(fuel.RefillModule)
	b.NewFunctionBuilder().WithGoFunction(api.GoFunc(func(context.Context, []uint64) {
		now := s.counter.Get()
		burnt, deep := fuel.Exhausted(now)
		if deep || !burnt {
			panic("used up")
		}
		for ; burnt; burnt, _ = fuel.Exhausted(now) {
			if s.given >= s.most {
				panic("used up")
			}
			s.given += slice
			now = fuel.SetLeft(now, fuel.Left(now)+slice)
		}
		s.counter.Set(now)
	}), nil, nil).Export(fuel.RefillName)
	if _, err := b.Instantiate(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// stopAtHalf runs the first function anew with half of the units it burns.
func stopAtHalf(t testing.TB, r wazero.Runtime, about *fuel.Module, w *wasm, s *refills, units int64) int {
	t.Helper()
	in, err := instantiate(r, about.Binary, w.visible(), about)
	if err != nil {
		t.Fatal(err)
	}
	defer in.close()
	in.fuel.Set(fuel.Budget(0, 10_000))
	s.counter, s.given, s.most = in.fuel, 0, units/2
	said := in.call(in.module.ExportedFunction(name("f", 0)), 0)
	if !strings.HasPrefix(said, "trap: used up") {
		t.Errorf("%s with half of %d units", said, units)
	}
	return 1
}

// TestSlices runs generated modules on fuel in small slices: they behave as the
// originals do, count exactly, and stop where there is no more.
func TestSlices(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	data := make([]byte, 600)
	asked, returned, stopped := 0, 0, 0
	rounds, least := 4, 300
	if raceDetector {
		rounds, least = 1, 60
	}
	for range rounds {
		r := newRuntime(t)
		addImports(t, r)
		s := &refills{}
		addRefill(t, r, s)
		for range 150 {
			for i := range data {
				data[i] = byte(random.Uint32())
			}
			w := generate(data[:100+random.IntN(500)])
			binary := w.encode(false)
			original, err := instantiate(r, binary, w.visible(), nil)
			if err != nil {
				continue
			}
			about, err := fuel.Instrument(binary, fuel.Options{Refill: true})
			if err != nil {
				t.Fatal(err)
			}
			sliced, err := instantiate(r, about.Binary, w.visible(), about)
			if err != nil {
				t.Fatalf("instrumented: %v\n%x", err, binary)
			}
			naive, err := instantiate(r, w.encode(true), w.visible(), nil)
			if err != nil {
				t.Fatal(err)
			}
			s.counter = sliced.fuel
			for i := range w.functions {
				n := name("f", i)
				for _, in := range []*running{original, sliced, naive} {
					in.module.ExportedGlobal("g00").(api.MutableGlobal).Set(0)
				}
				naive.fuel.Set(0)
				sliced.fuel.Set(fuel.Budget(0, 10_000))
				s.given, s.most = 0, plenty
				want := original.call(original.module.ExportedFunction(n), 0)
				have := sliced.call(sliced.module.ExportedFunction(n), 0)
				naive.call(naive.module.ExportedFunction(n), 0)
				if diff := cmp.Diff(want, have) + cmp.Diff(original.state(), sliced.state()); diff != "" {
					t.Fatalf("%s: %s\n%x", n, diff, binary)
				}
				if s.given > 0 {
					asked++
				}
				if strings.HasPrefix(want, "trap") {
					continue
				}
				returned++
				units := int64(naive.fuel.Get())
				if now := sliced.fuel.Get(); now != fuel.SetLeft(fuel.Budget(0, 10_000), s.given-units) {
					t.Fatalf("%s: given %d, burnt %d, the counter is %#x\n%x", n, s.given, units, now, binary)
				}
				if i == 0 && units > 4*slice {
					stopped += stopAtHalf(t, r, about, w, s, units)
					s.counter = sliced.fuel
				}
			}
			for _, in := range []*running{original, sliced, naive} {
				in.close()
			}
		}
	}
	t.Logf("%d calls returned, %d asked for more, %d were stopped", returned, asked, stopped)
	if returned < least || asked < least || stopped < least/60 {
		t.Error("the modules are too much alike")
	}
}
