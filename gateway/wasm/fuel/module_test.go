package fuel_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tetratelabs/wazero/api"

	"gatehouse.example/gateway/wasm/fuel"
)

// TestModule looks at what is said of a module.
func TestModule(t *testing.T) {
	w := hand(nil)
	w.imports = []int{1}
	w.globals = []global{{typ: i32, mutable: true}, {typ: i64}, {typ: f64, mutable: true, hidden: true}}
	about, err := fuel.Instrument(w.encode(false), fuel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	about.Binary = nil
	want := &fuel.Module{
		Counter:    "gatehouse_fuel",
		Globals:    []string{"g00", "gatehouse_global_2"},
		Restorable: true,
		Imports:    []fuel.Import{{Module: "env", Name: "i00", Kind: "function", Type: "(i32) -> (i32)"}},
		Exports: []fuel.Export{
			{Name: "f00", Kind: "function", Type: "() -> ()"},
			{Name: "g00", Kind: "global", Type: "mut i32"},
			{Name: "g01", Kind: "global", Type: "i64"},
			{Name: "memory", Kind: "memory"},
		},
		MemoryMin: 1, MemoryMax: 512,
	}
	if diff := cmp.Diff(want, about); diff != "" {
		t.Error(diff)
	}
}

// TestTwice instruments what is instrumented: names stay unique, both count.
func TestTwice(t *testing.T) {
	once, err := fuel.Instrument(hand(counted(10)).encode(false), fuel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	twice, err := fuel.Instrument(once.Binary, fuel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if twice.Counter == once.Counter {
		t.Errorf("both counters are %q", once.Counter)
	}
	in, err := instantiate(newRuntime(t), twice.Binary, nil, twice)
	if err != nil {
		t.Fatal(err)
	}
	inner, _ := in.module.ExportedGlobal(once.Counter).(api.MutableGlobal)
	budget := fuel.Budget(1000, 10)
	inner.Set(budget)
	in.fuel.Set(budget)
	if said := in.call(in.module.ExportedFunction("f00"), 0); said != "[]" {
		t.Error(said)
	}
	if spent := spentSince(budget, inner.Get()); spent != 52 {
		t.Errorf("the inner counter says %d, want 52", spent)
	}
	if spent := spentSince(budget, in.fuel.Get()); spent <= 52 {
		t.Errorf("the outer counter says %d, want more: it counts the inner one", spent)
	}
}

func TestRestorable(t *testing.T) {
	for _, c := range []struct {
		name string
		code []ins
		want bool
	}{
		{"memory alone", ops(i32c(0), i32c(0), i32c(0), bulk(4, 0xfc, 11, 0)), true},
		{"table.get", ops(i32c(0), op(0x25, 0), op(0x1a)), true},
		{"table.set", ops(i32c(0), op(0xd0, 0x70), op(0x26, 0)), false},
		{"table.grow", ops(op(0xd0, 0x70), i32c(0), grow(0, 0xfc, 15, 0), op(0x1a)), false},
		{"data.drop", ops(op(0xfc, 9, 0)), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := hand(c.code)
			w.passive = true
			about, err := fuel.Instrument(w.encode(false), fuel.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if about.Restorable != c.want {
				t.Errorf("restorable: %t, want %t", about.Restorable, c.want)
			}
		})
	}
}

// TestTableGrowth grows a table up to the limit and not further.
func TestTableGrowth(t *testing.T) {
	w := &wasm{types: signatures(), table: 4, tableMax: 1 << 30, start: -1, functions: []function{{typ: 1, code: ops(
		op(0xd0, 0x70), index(0x20, 0), grow(0, 0xfc, 15, 0))}}}
	about, err := fuel.Instrument(w.encode(false), fuel.Options{MaxTableElements: 10})
	if err != nil {
		t.Fatal(err)
	}
	in, err := instantiate(newRuntime(t), about.Binary, nil, about)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		by     uint64
		had    int32
		burnt  int64
		budget int64
	}{
		{"within", 5, 4, 136, 1000}, {"past the limit", 2, -1, 131, 1000}, {"to the limit", 1, 9, 132, 1000},
	} {
		t.Run(c.name, func(t *testing.T) {
			budget := fuel.Budget(c.budget, 0)
			in.fuel.Set(budget)
			results, err := in.module.ExportedFunction("f00").Call(context.Background(), c.by)
			if err != nil || int32(results[0]) != c.had {
				t.Errorf("%d, %v; want %d", results, err, c.had)
			}
			if spent := spentSince(budget, in.fuel.Get()); spent != c.burnt {
				t.Errorf("spent %d, want %d", spent, c.burnt)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	head := "\x00asm\x01\x00\x00\x00"
	body := func(code string) string {
		n := string(rune(len(code) + 1))
		return head + "\x01\x04\x01\x60\x00\x00" + "\x03\x02\x01\x00" + "\x0a" + string(rune(len(code)+3)) + "\x01" + n + "\x00" + code
	}
	for _, c := range []struct{ name, binary, want string }{
		{"empty", "", "module at offset 0x0: not a WebAssembly module of version 1"},
		{"cut off", head + "\x01", "module at offset 0x9: size of section is missing"},
		{"section past the end", head + "\x01\x7f", "module at offset 0xa: section of 127 bytes does not fit into the 0 bytes that follow"},
		{"unknown section", head + "\x0d\x00", "module at offset 0x8: section 13 is unknown"},
		{"order of sections", head + "\x03\x01\x00\x01\x01\x00", "module at offset 0xb: section 1 is out of order"},
		{"four billion types", head + "\x01\x05\xff\xff\xff\xff\x0f", "module at offset 0xa: 4294967295 types are more than the allowed 100000"},
		{"types that are not there", head + "\x01\x02\xff\x01", "255 types do not fit into the 0 bytes that follow"},
		{"four billion locals", head + "\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00\x0a\x0a\x01\x08\x01\xff\xff\xff\xff\x0f\x7f\x0b",
			"module at offset 0x17: 4294967295 locals are more than the allowed 50000"},
		{"unknown operator", body("\x27\x0b"), "module at offset 0x17: operator 0x27 is unknown"},
		{"unknown operator behind a prefix", body("\xfc\x20\x0b"), "operator 0xfc 32 is unknown"},
		{"tail call", body("\x12\x00\x0b"), "operator 0x12 is unknown"},
		{"no end", body("\x02\x40\x0b"), "module at offset 0x1a: the function ends within 1 blocks"},
		{"code behind the end", body("\x0b\x0b"), "the function has 1 bytes after its end"},
		{"label", body("\x0c\x01\x0b"), "label 1 does not exist within 1 blocks"},
		{"else", body("\x05\x0b"), "else without if"},
		{"a function without code", head + "\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00", "0 function bodies for 1 functions"},
		{"table of four billion", head + "\x04\x08\x01\x70\x00\xff\xff\xff\xff\x0f", "more than the allowed 65536"},
		{"deep nesting", body2(strings.Repeat("\x02\x40", 10_001) + strings.Repeat("\x0b", 10_002)), "blocks nest deeper than the allowed 10000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := fuel.Instrument([]byte(c.binary), fuel.Options{})
			if err == nil || m != nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// body2 is a module with one function of long code.
func body2(code string) string {
	w := hand(ops(free([]byte(code[:len(code)-1])...)))
	return string(w.encode(false))
}

// TestNesting runs what nests as deep as is allowed.
func TestNesting(t *testing.T) {
	const depth = 9_999
	w := hand(ops(free([]byte(strings.Repeat("\x02\x40", depth))...), op(uleb([]byte{0x0c}, depth)...),
		free([]byte(strings.Repeat("\x0b", depth))...)))
	if said, spent, _, _ := run(t, w, 100, 1); said != "[]" || spent != 1 {
		t.Errorf("%s, spent %d", said, spent)
	}
}
