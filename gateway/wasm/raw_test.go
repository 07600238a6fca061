package wasm_test

import "encoding/binary"

// raw is a handler written by hand, for what compilers do not make. Its types
// are 0: () → i64, 1: (i32, i32) → (), 2: () → (), 3: (i32, i32) → i32.
type raw struct {
	imports []rawImport // functions 0 and on
	// functions follow the imports; handle_request and handle_response are
	// added where they are missing.
	functions []rawFunction
	pages     uint32 // of memory
	globals   int    // mutable i32, zero at first
	table     int    // elements, all null
	start     int    // index of the start function; 0 is none
}

type rawImport struct {
	module, name string
	typ          byte
}

type rawFunction struct {
	export string
	typ    byte
	body   []byte // without locals and end
}

func vec(items ...[]byte) []byte {
	out := binary.AppendUvarint(nil, uint64(len(items)))
	for _, item := range items {
		out = append(out, item...)
	}
	return out
}

func sized(p []byte) []byte { return append(binary.AppendUvarint(nil, uint64(len(p))), p...) }

func text(s string) []byte { return sized([]byte(s)) }

func join(parts ...[]byte) (out []byte) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// wasm returns the module.
func (r raw) wasm() []byte {
	has := map[string]bool{}
	for _, f := range r.functions {
		has[f.export] = true
	}
	if !has["handle_request"] {
		r.functions = append(r.functions, rawFunction{"handle_request", 0, []byte{0x42, 1}}) // i64.const 1
	}
	if !has["handle_response"] {
		r.functions = append(r.functions, rawFunction{"handle_response", 1, nil})
	}
	var imports, types, exports, bodies, globals [][]byte
	for _, i := range r.imports {
		imports = append(imports, join(text(i.module), text(i.name), []byte{0, i.typ}))
	}
	exports = append(exports, join(text("memory"), []byte{2, 0}))
	for n, f := range r.functions {
		types = append(types, []byte{f.typ})
		bodies = append(bodies, sized(join([]byte{0}, f.body, []byte{0x0b})))
		if f.export != "" {
			exports = append(exports, join(text(f.export), []byte{0}, binary.AppendUvarint(nil, uint64(len(r.imports)+n))))
		}
	}
	for range r.globals {
		globals = append(globals, []byte{0x7f, 1, 0x41, 0, 0x0b})
	}
	section := func(id byte, content []byte) []byte { return join([]byte{id}, sized(content)) }
	out := join([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, vec([]byte{0x60, 0, 1, 0x7e}, []byte{0x60, 2, 0x7f, 0x7f, 0}, []byte{0x60, 0, 0}, []byte{0x60, 2, 0x7f, 0x7f, 1, 0x7f})),
		section(2, vec(imports...)), section(3, vec(types...)))
	if r.table > 0 {
		out = join(out, section(4, vec(join([]byte{0x70, 0}, binary.AppendUvarint(nil, uint64(r.table))))))
	}
	out = join(out, section(5, vec(join([]byte{0}, binary.AppendUvarint(nil, uint64(r.pages))))), section(6, vec(globals...)), section(7, vec(exports...)))
	if r.start > 0 {
		out = join(out, section(8, binary.AppendUvarint(nil, uint64(r.start))))
	}
	return join(out, section(10, vec(bodies...)))
}

// Pieces of code.
var (
	codeLoop = []byte{0x03, 0x40, 0x0c, 0, 0x0b} // loop br 0 end
	codeOne  = []byte{0x42, 1}                   // i64.const 1
	codeTrap = []byte{0x00}                      // unreachable
	// codeFill is memory.fill(0, 0, 16 MiB), a thousand times over: global 0
	// counts.
	codeFill = join([]byte{0x03, 0x40, 0x41, 0, 0x41, 0}, i32const(16<<20), []byte{0xfc, 11, 0},
		[]byte{0x23, 0, 0x41, 1, 0x6a, 0x24, 0, 0x23, 0}, i32const(1000), []byte{0x48, 0x0d, 0, 0x0b})
)

// i32const is the operator with its operand.
func i32const(n int32) []byte {
	out := []byte{0x41}
	for {
		b := byte(n & 0x7f)
		n >>= 7
		if (n == 0 && b&0x40 == 0) || (n == -1 && b&0x40 != 0) {
			return append(out, b)
		}
		out = append(out, b|0x80)
	}
}
