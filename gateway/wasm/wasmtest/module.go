// Package wasmtest owns small WebAssembly modules for tests: handlers of a few
// hundred bytes that answer, describe themselves or refuse to start, made
// without a compiler.
//
// Guests that do real work are built from Go, by the tests that need them.
package wasmtest

import (
	"encoding/binary"
	"slices"
)

// The value types of WebAssembly that [Function] takes.
const (
	I32 byte = 0x7f
	I64 byte = 0x7e
)

// Function is one that a module imports.
type Function struct {
	Module, Name    string
	Params, Results []byte
}

// Handler is a module to be made. The zero value lets every request pass.
type Handler struct {
	// Imports come first; more are added where other fields need them.
	Imports []Function
	// Status, from 128 to 8191, answers every request.
	Status int
	// Describe is what gatehouse_describe says; "" exports none.
	Describe string
	// Fail is why gatehouse_start fails; "" exports none.
	Fail string
	// Exports are the names of further functions, which do nothing.
	Exports []string
}

// What the data section holds, and where.
const (
	describeAt = 1024
	failAt     = 32 << 10
)

// The indexes of types; those of imports follow.
const (
	typeRequest  = iota // () -> i64: handle_request and gatehouse_describe
	typeResponse        // (i32, i32) -> ()
	typeNothing         // () -> ()
	typeStart           // () -> i32
	firstImport
)

// encoder collects the sections of a module.
type encoder struct {
	imports                   []Function
	functions, exports, codes [][]byte
}

// Binary returns the module.
func (h Handler) Binary() []byte {
	e := encoder{imports: slices.Clone(h.Imports), exports: [][]byte{slices.Concat(text("memory"), []byte{2, 0})}}
	request := []byte{0x42, 1} // i64.const 1: go on
	if h.Status != 0 {
		set := e.need("http_handler", "set_status_code", I32)
		request = slices.Concat([]byte{0x41}, signed(int64(h.Status)), []byte{0x10, set, 0x42, 0})
	}
	var start []byte
	if h.Fail != "" {
		fail := e.need("gatehouse_v1", "fail", I32, I32)
		start = slices.Concat([]byte{0x41}, signed(failAt), []byte{0x41}, signed(int64(len(h.Fail))), []byte{0x10, fail, 0x41, 1})
	}
	e.function("handle_request", typeRequest, request)
	e.function("handle_response", typeResponse, nil)
	if h.Describe != "" {
		e.function("gatehouse_describe", typeRequest, append([]byte{0x42}, signed(describeAt<<32|int64(len(h.Describe)))...))
	}
	if h.Fail != "" {
		e.function("gatehouse_start", typeStart, start)
	}
	for _, name := range h.Exports {
		e.function(name, typeNothing, nil)
	}
	return e.encode(slices.Concat([]byte{2}, data(describeAt, h.Describe), data(failAt, h.Fail)))
}

// need returns the index of an import without results. All are needed before
// the first function is made.
func (e *encoder) need(module, name string, params ...byte) byte {
	e.imports = append(e.imports, Function{Module: module, Name: name, Params: params})
	return byte(len(e.imports) - 1)
}

func (e *encoder) function(name string, kind byte, code []byte) {
	index := byte(len(e.imports) + len(e.functions))
	e.functions = append(e.functions, []byte{kind})
	e.exports = append(e.exports, slices.Concat(text(name), []byte{0, index}))
	body := slices.Concat([]byte{0}, code, []byte{0x0b})
	e.codes = append(e.codes, append(uvarint(len(body)), body...))
}

func (e *encoder) encode(segments []byte) []byte {
	types := [][]byte{{0x60, 0, 1, I64}, {0x60, 2, I32, I32, 0}, {0x60, 0, 0}, {0x60, 0, 1, I32}}
	var imports [][]byte
	for i, f := range e.imports {
		types = append(types, slices.Concat([]byte{0x60}, uvarint(len(f.Params)), f.Params, uvarint(len(f.Results)), f.Results))
		imports = append(imports, slices.Concat(text(f.Module), text(f.Name), []byte{0, byte(firstImport + i)}))
	}
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, list(types)), section(2, list(imports)), section(3, list(e.functions)),
		section(4, []byte{2, 0x70, 0, 3, 0x6f, 1, 1, 9}), // tables of functions and of references
		section(5, []byte{1, 1, 1, 4}),                   // a memory of one to four pages
		section(7, list(e.exports)), section(10, list(e.codes)), section(11, segments))
}

func data(at int64, content string) []byte {
	return slices.Concat([]byte{0, 0x41}, signed(at), []byte{0x0b}, text(content))
}

func section(id byte, content []byte) []byte {
	return slices.Concat([]byte{id}, uvarint(len(content)), content)
}

func list(parts [][]byte) []byte { return append(uvarint(len(parts)), slices.Concat(parts...)...) }

func text(s string) []byte { return append(uvarint(len(s)), s...) }

func uvarint(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }

// signed encodes LEB128.
func signed(v int64) []byte {
	var out []byte
	for {
		b := byte(v & 0x7f)
		v >>= 7
		if v == 0 && b&0x40 == 0 || v == -1 && b&0x40 != 0 {
			return append(out, b)
		}
		out = append(out, b|0x80)
	}
}
