package fuel_test

import (
	"testing"

	"gatehouse.example/gateway/wasm/fuel"
)

// TestEffects compares what operators do to the height of the stack with what
// the runtime's validation takes: it is asked with all operands that any
// operator has.
func TestEffects(t *testing.T) {
	r := newRuntime(t)
	results := [][]byte{nil, {i32}, {i64}, {f32}, {f64}, {v128}}
	known := 0
	check := func(name string, operator ins, want int) {
		for _, params := range operands() {
			for _, result := range results {
				w := &wasm{types: []signature{{params, result}}, memoryMax: 2, table: 2, tableMax: 2, start: -1}
				var c []ins
				for i := range params {
					c = append(c, index(0x20, i))
				}
				w.functions = []function{{code: append(c, operator)}}
				compiled, err := compile(r, w.encode(false))
				if err != nil {
					continue
				}
				_ = compiled.Close(t.Context())
				known++
				if have := len(result) - len(params); have != want {
					t.Errorf("%s: %d, want %d", name, want, have)
				}
				return
			}
		}
	}
	for o := 0x28; o <= 0xc4; o++ {
		x := op(byte(o))
		switch {
		case o <= 0x3e:
			x = op(byte(o), 0, 0)
		case o == 0x3f:
			x = op(byte(o), 0)
		case o <= 0x44: // growth and constants
			continue
		}
		check(name("o", o), x, fuel.EffectOf(byte(o)))
	}
	for o := range 256 {
		x := []byte{0xfd, byte(o)}
		if o >= 128 {
			x = append(x, 1)
		}
		switch {
		case o <= 11, o == 92, o == 93:
			x = append(x, 0, 0)
		case o == 12, o == 13:
			x = append(x, make([]byte, 16)...)
		case o >= 21 && o <= 34:
			x = append(x, 0)
		case o >= 84 && o <= 91:
			x = append(x, 0, 0, 0)
		}
		check(name("v", o), op(x...), fuel.EffectOfVector(byte(o)))
	}
	if known < 140+230 {
		t.Errorf("%d operators are known to the runtime, want more", known)
	}
}

// operands are the lists of operands that operators take.
func operands() [][]byte {
	return [][]byte{
		nil, {i32}, {i64}, {f32}, {f64}, {v128}, {i32, i32}, {i64, i64}, {f32, f32}, {f64, f64}, {v128, v128},
		{i32, i64}, {i32, f32}, {i32, f64}, {i32, v128},
		{v128, i32}, {v128, i64}, {v128, f32}, {v128, f64}, {v128, v128, v128},
	}
}
