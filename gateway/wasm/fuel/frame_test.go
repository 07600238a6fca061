package fuel_test

import (
	"bytes"
	"testing"

	"gatehouse.example/gateway/wasm/fuel"
)

// TestDepthOfLargeFrames recurs with much to keep over each call: the depth
// bounds the stack, of which each unit stands for at most 512 bytes.
func TestDepthOfLargeFrames(t *testing.T) {
	const depth = 8192
	count := ops(index(0x23, 0), i32c(1), op(0x6a), index(0x24, 0))
	recur := index(0x10, 0)
	vector := op(append([]byte{0xfd, 12}, make([]byte, 16)...)...)
	for _, c := range []struct {
		name  string
		w     *wasm
		frame int // bytes that are kept over the call
	}{
		{"results", wide(60, code(count, ops(index(0x10, 1), recur, index(0x10, 2)))), 60 * 16},
		{"values", wide(1, code(count, times(200, index(0x10, 1)), ops(recur), times(200, drop()))), 200 * 16},
		{"values over many calls", wide(1, code(count, times(200, index(0x10, 1), recur, drop()))), 200 * 16},
		{"locals", func() *wasm {
			w := wide(1, code(count, each(100, func(i int) []ins { return ops(vector, index(0x21, i)) }),
				ops(recur), each(100, func(i int) []ins { return ops(index(0x20, i), drop()) })))
			w.functions[0].locals = bytes.Repeat([]byte{v128}, 100)
			return w
		}(), 100 * 16},
		{"one local over many calls", func() *wasm {
			w := wide(1, code(count, times(100, index(0x10, 1), index(0x21, 0), recur, index(0x20, 0), drop())))
			w.functions[0].locals = []byte{v128}
			return w
		}(), 100 * 16},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.w.globals = []global{{typ: i32, mutable: true}}
			about, err := fuel.Instrument(c.w.encode(false), fuel.Options{})
			if err != nil {
				t.Fatal(err)
			}
			in, err := instantiate(newRuntime(t), about.Binary, nil, about)
			if err != nil {
				t.Fatal(err)
			}
			in.fuel.Set(fuel.Budget(1<<40, depth))
			said := in.call(in.module.ExportedFunction("f00"), 0)
			calls := int(in.module.ExportedGlobal("g00").Get()) - 3
			if stack := calls * c.frame; said != unreachable || stack > depth*512 || calls < 20 {
				t.Errorf("%s after %d calls, which keep %d bytes; want at most %d", said, calls, stack, depth*512)
			}
		})
	}
}
