package fuel_test

import (
	"encoding/binary"
	"math"
)

// ins is one operator, as the modules of these tests are made of. What it
// weighs is said here again, independent of the package, so that the encoder
// can count naively: each operator by itself.
type ins struct {
	code   []byte
	weight int64
	// length is by how much the length on top of the stack is shifted right and
	// charged; growth by how much a successful growth is shifted left. Negative
	// means neither.
	length, growth int
}

func op(code ...byte) ins { return ins{code: code, weight: 1, length: -1, growth: -1} }

// free is an operator that costs nothing.
func free(code ...byte) ins { return ins{code: code, length: -1, growth: -1} }

// bulk is an operation that costs its length.
func bulk(shift int, code ...byte) ins {
	return ins{code: code, weight: 17, length: shift, growth: -1}
}

func grow(shift int, code ...byte) ins {
	return ins{code: code, weight: 129, length: -1, growth: shift}
}

func uleb(b []byte, v uint64) []byte { return binary.AppendUvarint(b, v) }

func sleb(b []byte, v int64) []byte {
	for {
		low := byte(v & 0x7f)
		if v >>= 7; v == 0 && low&0x40 == 0 || v == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}

func i32c(v int32) ins { return op(sleb([]byte{0x41}, int64(v))...) }
func i64c(v int64) ins { return op(sleb([]byte{0x42}, v)...) }
func f32c(v float32) ins {
	return op(binary.LittleEndian.AppendUint32([]byte{0x43}, math.Float32bits(v))...)
}
func f64c(v float64) ins {
	return op(binary.LittleEndian.AppendUint64([]byte{0x44}, math.Float64bits(v))...)
}
func index(o byte, i int) ins { return op(uleb([]byte{o}, uint64(i))...) }

// block begins a block, a loop or an if, of which only the last one costs.
func block(o byte, typ int) ins {
	x := free(sleb([]byte{o}, int64(typ))...)
	if o == 0x04 {
		x.weight = 1
	}
	return x
}

// Operators by name, where tests write code by hand.
const (
	voidBlock = -64 // the type of a block that takes and leaves nothing

	i32 = 0x7f
	i64 = 0x7e
	f32 = 0x7d
	f64 = 0x7c
)

type signature struct{ params, results []byte }

type function struct {
	typ    int
	locals []byte
	code   []ins
}

type global struct {
	typ     byte
	mutable bool
	hidden  bool // not exported
}

// wasm is a module under construction. Functions are exported as f0 and so on,
// globals as g0, the memory as memory.
type wasm struct {
	types     []signature
	imports   []int // types of env.i0 and so on
	functions []function
	globals   []global
	// The memory has one page and may grow to memoryMax; zero means none.
	memoryMax uint32
	// table is the size of the table of functions, which holds all in turn;
	// zero means none. passive adds passive segments of data and elements.
	table, tableMax uint32
	passive         bool
	start           int // index of a function, or -1
}

func section(out []byte, id byte, count int, entries []byte) []byte {
	if count == 0 {
		return out
	}
	n := uleb(nil, uint64(count))
	out = uleb(append(out, id), uint64(len(n)+len(entries)))
	return append(append(out, n...), entries...)
}

func text(b []byte, s string) []byte { return append(uleb(b, uint64(len(s))), s...) }

func vector(b, v []byte) []byte { return append(uleb(b, uint64(len(v))), v...) }

// encode returns the binary. A naive one counts each operator before it runs
// in a global that it exports as "count".
func (w *wasm) encode(naive bool) []byte {
	out := []byte("\x00asm\x01\x00\x00\x00")
	var b []byte
	for _, t := range w.types {
		b = vector(vector(append(b, 0x60), t.params), t.results)
	}
	out = section(out, 1, len(w.types), b)
	b = nil
	for i, t := range w.imports {
		b = uleb(append(text(text(b, "env"), name("i", i)), 0), uint64(t))
	}
	out = section(out, 2, len(w.imports), b)
	b = nil
	for _, f := range w.functions {
		b = uleb(b, uint64(f.typ))
	}
	out = section(out, 3, len(w.functions), b)
	if w.table > 0 {
		b = uleb(uleb([]byte{0x70, 1}, uint64(w.table)), uint64(w.tableMax))
		out = section(out, 4, 1, b)
	}
	if w.memoryMax > 0 {
		out = section(out, 5, 1, uleb([]byte{1, 1}, uint64(w.memoryMax)))
	}
	out = w.encodeGlobals(out, naive)
	out = w.encodeExports(out, naive)
	if w.start >= 0 {
		s := uleb(nil, uint64(w.start))
		out = append(uleb(append(out, 8), uint64(len(s))), s...)
	}
	out = w.encodeElements(out)
	if w.passive {
		out = append(out, 12, 1, 1)
	}
	b = nil
	for i := range w.functions {
		b = vector(b, w.encodeFunction(&w.functions[i], naive))
	}
	out = section(out, 10, len(w.functions), b)
	if w.passive {
		out = section(out, 11, 1, text([]byte{1}, "a passive segment of data, 40 bytes long"))
	}
	return out
}

func (w *wasm) encodeGlobals(out []byte, naive bool) []byte {
	var b []byte
	n := len(w.globals)
	for _, g := range w.globals {
		b = append(b, g.typ, 0)
		if g.mutable {
			b[len(b)-1] = 1
		}
		switch g.typ {
		case i32:
			b = append(b, 0x41, 3)
		case i64:
			b = append(b, 0x42, 5)
		case f32:
			b = append(b, f32c(1.5).code...)
		default:
			b = append(b, f64c(-2.5).code...)
		}
		b = append(b, 0x0b)
	}
	if naive {
		b = append(b, i64, 1, 0x42, 0, 0x0b)
		n++
	}
	return section(out, 6, n, b)
}

func name(prefix string, i int) string {
	return prefix + string(rune('0'+i/10)) + string(rune('0'+i%10))
}

func (w *wasm) encodeExports(out []byte, naive bool) []byte {
	var b []byte
	n := 0
	export := func(name string, kind byte, index int) {
		b = uleb(append(text(b, name), kind), uint64(index))
		n++
	}
	for i := range w.functions {
		export(name("f", i), 0, len(w.imports)+i)
	}
	for i, g := range w.globals {
		if !g.hidden || naive {
			export(name("g", i), 3, i)
		}
	}
	if w.memoryMax > 0 {
		export("memory", 2, 0)
	}
	if naive {
		export("count", 3, len(w.globals))
	}
	return section(out, 7, n, b)
}

func (w *wasm) encodeElements(out []byte) []byte {
	if w.table == 0 {
		return out
	}
	all := len(w.imports) + len(w.functions)
	b := uleb([]byte{0, 0x41, 0, 0x0b}, uint64(w.table-1)) // the last is null
	for i := range w.table - 1 {
		b = uleb(b, uint64(i)%uint64(all))
	}
	if !w.passive {
		return section(out, 9, 1, b)
	}
	b = append(b, 1, 0, 2, 0, byte(all-1))
	return section(out, 9, 2, b)
}

func (w *wasm) encodeFunction(f *function, naive bool) []byte {
	locals := f.locals
	scratch := len(w.types[f.typ].params) + len(f.locals)
	if naive {
		locals = append(append([]byte{}, locals...), i32, i32)
	}
	b := uleb(nil, uint64(len(locals)))
	for _, l := range locals {
		b = append(b, 1, l)
	}
	counter := len(w.globals)
	for _, x := range f.code {
		if naive && x.weight > 0 {
			b = append(b, index(0x23, counter).code...)
			b = append(b, i64c(x.weight).code...)
			b = append(b, 0x7c)
			b = append(b, index(0x24, counter).code...)
		}
		if naive && x.length >= 0 {
			b = append(b, index(0x22, scratch).code...) // keeps it
			b = append(b, index(0x23, counter).code...)
			b = append(b, index(0x20, scratch).code...)
			b = append(b, 0xad, 0x42, byte(x.length), 0x88, 0x7c)
			b = append(b, index(0x24, counter).code...)
		}
		if naive && x.growth >= 0 {
			b = append(b, index(0x22, scratch).code...)
		}
		b = append(b, x.code...)
		if naive && x.growth >= 0 {
			// The naive one branches where the other multiplies.
			b = append(b, index(0x22, scratch+1).code...)
			b = append(b, index(0x20, scratch+1).code...)
			b = append(b, 0x41, 0x7f, 0x46, 0x04, 0x40, 0x05)
			b = append(b, index(0x23, counter).code...)
			b = append(b, index(0x20, scratch).code...)
			b = append(b, 0xad, 0x42, byte(x.growth), 0x86, 0x7c)
			b = append(b, index(0x24, counter).code...)
			b = append(b, 0x0b)
		}
	}
	return append(b, 0x0b)
}
