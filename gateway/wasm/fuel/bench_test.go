package fuel_test

import (
	"context"
	"testing"

	"gatehouse.example/gateway/wasm/fuel"
)

// BenchmarkInstrument instruments the largest built-in filter.
func BenchmarkInstrument(b *testing.B) {
	binary := buildGuest(b, "gatehouse.example/plugins/filters/jwt")
	b.SetBytes(int64(len(binary)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := fuel.Instrument(binary, fuel.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOverhead compares guests as they are with what they become: starting
// a guest of Go (its runtime's setup computes), one call of one, and loops of
// few operators, which is the worst case.
func BenchmarkOverhead(b *testing.B) {
	noop := buildGuest(b, "gatehouse.example/gateway/wasm/testdata/noop")
	plain := buildGuest(b, "gatehouse.example/gateway/wasm/testdata/plain")
	tight := hand(counted(1_000_000)).encode(false)
	sum := hand(counted(1_000_000, i32c(64), op(0x28, 2, 0), index(0x20, 0), op(0x6a), i32c(7), op(0x6c),
		i32c(0x7ffc), op(0x71), op(0x28, 2, 0), op(0x1a))).encode(false)
	for _, c := range []struct {
		name   string
		binary []byte
		setup  []string
		export string
	}{
		{"noop", noop, []string{"_initialize", "gatehouse_start"}, "handle_request"},
		{"plain", plain, []string{"_initialize"}, "handle_request"},
		{"describe", noop, []string{"_initialize"}, "gatehouse_describe"},
		{"tight", tight, nil, "f00"},
		{"sum", sum, nil, "f00"},
	} {
		about, err := fuel.Instrument(c.binary, fuel.Options{})
		if err != nil {
			b.Fatal(err)
		}
		for _, form := range []struct {
			name   string
			binary []byte
			about  *fuel.Module
		}{{"original", c.binary, nil}, {"instrumented", about.Binary, about}} {
			b.Run(c.name+"/"+form.name, func(b *testing.B) {
				in, _ := startGuest(b, form.binary, "", form.about)
				for _, s := range c.setup {
					in.call(in.module.ExportedFunction(s), 0)
				}
				ctx := context.WithValue(context.Background(), callsKey{}, in.calls)
				f := in.module.ExportedFunction(c.export)
				stack := make([]uint64, 4)
				budget := fuel.Budget(1<<40, 10_000)
				for b.Loop() {
					*in.calls = (*in.calls)[:0]
					if in.fuel != nil {
						in.fuel.Set(budget)
					}
					if err := f.CallWithStack(ctx, stack); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
