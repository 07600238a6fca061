package fuel_test

import (
	"strings"
	"testing"

	"gatehouse.example/gateway/wasm/fuel"
)

// code joins operators and lists of them.
func code(parts ...[]ins) []ins {
	var all []ins
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func ops(x ...ins) []ins { return x }

// hand makes a module of functions without results, the first of which is
// called.
func hand(bodies ...[]ins) *wasm {
	w := &wasm{types: signatures(), memoryMax: 512, table: 4, tableMax: 1 << 30, start: -1}
	for _, b := range bodies {
		w.functions = append(w.functions, function{typ: 0, locals: []byte{i32}, code: b})
	}
	return w
}

// counted wraps body in a loop of n rounds over local 0.
func counted(n int32, body ...ins) []ins {
	return code(ops(i32c(n), index(0x21, 0), block(0x03, voidBlock)), body,
		ops(index(0x20, 0), i32c(1), op(0x6b), index(0x22, 0), index(0x0d, 0), free(0x0b)))
}

func run(t *testing.T, w *wasm, units int64, depth int) (said string, spent int64, burnt, deep bool) {
	t.Helper()
	r := newRuntime(t)
	about, err := fuel.Instrument(w.encode(false), fuel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	in, err := instantiate(r, about.Binary, nil, about)
	if err != nil {
		t.Fatal(err)
	}
	budget := fuel.Budget(units, depth)
	in.fuel.Set(budget)
	said = in.call(in.module.ExportedFunction("f00"), 0)
	burnt, deep = fuel.Exhausted(in.fuel.Get())
	return said, spentSince(budget, in.fuel.Get()), burnt, deep
}

const unreachable = "trap: wasm error: unreachable"

func TestStops(t *testing.T) {
	call := index(0x10, 0)
	fill := ops(i32c(0), i32c(7), i32c(16<<20), bulk(4, 0xfc, 11, 0))
	for _, c := range []struct {
		name string
		w    *wasm
		// over is by how many units a module may be late: what it burns between
		// two checks.
		over int64
		deep bool
	}{
		{name: "tight loop", w: hand(ops(block(0x03, voidBlock), op(0x0c, 0), free(0x0b))), over: 1},
		{name: "loop over a table", over: 2, w: hand(ops(block(0x03, voidBlock), i32c(0), op(0x0e, 1, 0, 0), free(0x0b)))},
		{name: "loop on a condition", over: 2, w: hand(ops(block(0x03, voidBlock), i32c(1), op(0x0d, 0), free(0x0b)))},
		{name: "two nested loops", over: 3, w: hand(ops(
			block(0x03, voidBlock), block(0x03, voidBlock), i32c(1), op(0x0d, 1), op(0x0c, 0), free(0x0b), free(0x0b)))},
		{name: "loop through a block", over: 3, w: hand(ops(
			block(0x03, voidBlock), block(0x02, voidBlock), op(0x0c, 0), free(0x0b), op(0x0c, 0), free(0x0b)))},
		{name: "loop that is entered twice", over: 4, w: hand(ops(
			block(0x03, voidBlock), block(0x02, voidBlock), i32c(0), op(0x0e, 1, 0, 1), free(0x0b), op(0x0c, 0), free(0x0b)))},
		{name: "loop of calls of leaves", over: 6, w: hand(
			ops(block(0x03, voidBlock), index(0x10, 1), op(0x0c, 0), free(0x0b)), ops(i32c(1), op(0x1a)))},
		{name: "calls that double", over: 4, w: doubling(25)},
		{name: "fill of 16 MiB", over: 1 << 20, w: hand(code(
			ops(i32c(300), grow(12, 0x40, 0), op(0x1a), block(0x03, voidBlock)), fill, ops(op(0x0c, 0), free(0x0b))))},
		{name: "fill without a loop", over: 16 << 20, w: hand(code(
			ops(i32c(511), grow(12, 0x40, 0), op(0x1a)), fill, fill, fill, fill, fill, fill, fill, fill, fill, fill))},
		{name: "growth", over: 300 << 12, w: hand(ops(i32c(500), grow(12, 0x40, 0), op(0x1a), i32c(500), grow(12, 0x40, 0), op(0x1a)))},
		{name: "recursion", deep: true, w: hand(ops(call))},
		{name: "mutual recursion", deep: true, w: hand(ops(index(0x10, 1)), ops(call))},
		{name: "recursion over a table", deep: true, w: hand(ops(i32c(0), op(0x11, 0, 0)))},
		{name: "recursion within a loop", deep: true, w: hand(ops(block(0x03, voidBlock), call, op(0x0c, 0), free(0x0b)))},
		{name: "recursion of a large function", deep: true, w: hand(code(many(60_000), ops(call)))},
	} {
		t.Run(c.name, func(t *testing.T) {
			units := int64(1_000_000)
			if c.deep {
				units = fuel.MaxUnits / 2
			}
			said, spent, burnt, deep := run(t, c.w, units, 1000)
			if said != unreachable || burnt == c.deep || deep != c.deep {
				t.Errorf("%s, out of fuel: %t, too deep: %t; want a trap, too deep: %t", said, burnt, deep, c.deep)
			}
			if !c.deep && (spent <= units || spent > units+c.over) {
				t.Errorf("spent %d of %d units, want at most %d more", spent, units, c.over)
			}
		})
	}
}

// doubling has functions that each call the next one twice.
func doubling(n int) *wasm {
	w := hand(many(1))
	leaf := w.functions[0]
	for i := range n {
		w.functions = append(w.functions, leaf)
		w.functions[i] = function{code: ops(index(0x10, i+1), index(0x10, i+1))}
	}
	return w
}

// many is code that does nothing in so many pairs of operators.
func many(n int) []ins {
	var all []ins
	for range n {
		all = append(all, i32c(1), op(0x1a))
	}
	return all
}

func TestCounts(t *testing.T) {
	recursive := hand(ops(index(0x23, 0), op(0x45), block(0x04, voidBlock), op(0x0f), free(0x0b),
		index(0x23, 0), i32c(1), op(0x6b), index(0x24, 0), index(0x10, 0)))
	recursive.globals = []global{{typ: i32, mutable: true}} // three
	for _, c := range []struct {
		name string
		w    *wasm
		want int64
	}{
		{"nothing", hand(nil), 0},
		{"straight", hand(many(4)), 8},
		{"structure is free", hand(ops(block(0x02, voidBlock), free(0x01), free(0x0b))), 0},
		{"loop", hand(counted(1000)), 2 + 1000*5},
		{"loop around a loop", hand(code(ops(i32c(10), index(0x21, 0)), counted(1000))), 4 + 1000*5},
		{"fill of a page", hand(ops(i32c(0), i32c(1), i32c(1<<16), bulk(4, 0xfc, 11, 0))), 3 + 17 + 4096},
		{"growth", hand(ops(i32c(2), grow(12, 0x40, 0), op(0x1a))), 2 + 129 + 2<<12},
		{"growth that fails", hand(ops(i32c(-1), grow(12, 0x40, 0), op(0x1a))), 2 + 129},
		// f00 ends it three calls down: 10 for each, and 4 for the last.
		{"recursion", recursive, 3*8 + 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			said, spent, burnt, deep := run(t, c.w, 1<<40, 100)
			if said != "[]" || burnt || deep || spent != c.want {
				t.Errorf("%s, spent %d, out of fuel: %t, too deep: %t; want %d units", said, spent, burnt, deep, c.want)
			}
		})
	}
}

// TestDepth counts how deep a recursion gets.
func TestDepth(t *testing.T) {
	w := hand(ops(index(0x23, 0), i32c(1), op(0x6a), index(0x24, 0), index(0x10, 0)))
	w.globals = []global{{typ: i32, mutable: true}} // three
	about, err := fuel.Instrument(w.encode(false), fuel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	in, err := instantiate(newRuntime(t), about.Binary, nil, about)
	if err != nil {
		t.Fatal(err)
	}
	for round, depth := range []int{0, 1, 500, 20_000} {
		before := int(in.module.ExportedGlobal("g00").Get())
		in.fuel.Set(fuel.Budget(1<<40, depth))
		said := in.call(in.module.ExportedFunction("f00"), 0)
		if had := int(in.module.ExportedGlobal("g00").Get()) - before; said != unreachable || had != depth {
			t.Errorf("round %d: %s after %d calls, want %d", round, said, had, depth)
		}
	}
}

// TestStart runs a start function on its own budget.
func TestStart(t *testing.T) {
	w := hand(counted(1000))
	w.start = 0
	for _, c := range []struct {
		name  string
		start uint64
		ok    bool
	}{{"enough", 0, true}, {"too little", fuel.Budget(100, 10), false}} {
		t.Run(c.name, func(t *testing.T) {
			about, err := fuel.Instrument(w.encode(false), fuel.Options{Start: c.start})
			if err != nil {
				t.Fatal(err)
			}
			if !about.HasStart {
				t.Error("the start function was not seen")
			}
			_, err = instantiate(newRuntime(t), about.Binary, nil, about)
			if (err == nil) != c.ok {
				t.Errorf("instantiate: %v, want success: %t", err, c.ok)
			}
		})
	}
}

// TestCounterIsOutOfReach refuses modules that name what is added behind their
// own globals and locals.
func TestCounterIsOutOfReach(t *testing.T) {
	for _, c := range []struct {
		name string
		code []ins
		want string
	}{
		{"global.set", ops(i64c(1<<62), index(0x24, 1)), "global 1 does not exist"},
		{"global.get", ops(index(0x23, 1), op(0x1a)), "global 1 does not exist"},
		{"local.set", ops(i32c(0), i32c(0), i32c(0), bulk(4, 0xfc, 11, 0), i32c(0), index(0x21, 1)), "local 1 does not exist"},
		{"global.set in dead code", ops(op(0x00), i64c(1<<62), index(0x24, 1)), "global 1 does not exist"},
		{"block type", ops(block(0x02, len(signatures())), free(0x0b)), "block type 8 does not exist"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := hand(c.code)
			w.globals = []global{{typ: i64, mutable: true}}
			if _, err := fuel.Instrument(w.encode(false), fuel.Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}
