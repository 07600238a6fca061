package fuel

import "strings"

// Value types of WebAssembly 2.0.
const (
	typeI32       = 0x7f
	typeI64       = 0x7e
	typeF32       = 0x7d
	typeF64       = 0x7c
	typeV128      = 0x7b
	typeFuncref   = 0x70
	typeExternref = 0x6f
	// blockEmpty is the type of a block without parameters and results.
	blockEmpty = 0x40
)

// Kinds of imports and exports.
const (
	kindFunction = iota
	kindTable
	kindMemory
	kindGlobal
)

func kindName(kind byte) string {
	return [...]string{"function", "table", "memory", "global"}[kind]
}

func typeName(t byte) string {
	switch t {
	case typeI32:
		return "i32"
	case typeI64:
		return "i64"
	case typeF32:
		return "f32"
	case typeF64:
		return "f64"
	case typeV128:
		return "v128"
	case typeFuncref:
		return "funcref"
	default:
		return "externref"
	}
}

// valueType reads a value type.
func (r *reader) valueType() byte {
	t := r.byte("value type")
	switch t {
	case typeI32, typeI64, typeF32, typeF64, typeV128, typeFuncref, typeExternref:
	default:
		r.failAt(r.at-1, "value type %#x is unknown", t)
	}
	return t
}

// functionType is a signature; both parts are bytes of the binary.
type functionType struct{ params, results []byte }

func (t functionType) String() string {
	var b strings.Builder
	list := func(types []byte) {
		b.WriteByte('(')
		for i, v := range types {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(typeName(v))
		}
		b.WriteByte(')')
	}
	list(t.params)
	b.WriteString(" -> ")
	list(t.results)
	return b.String()
}

func (r *reader) functionType() functionType {
	if form := r.byte("type"); form != 0x60 {
		r.failAt(r.at-1, "type of form %#x is unknown, want a function type 0x60", form)
		return functionType{}
	}
	list := func(what string) []byte {
		n := r.count(maxSignature, 1, what)
		from := r.at
		for range n {
			r.valueType()
		}
		return r.b[from:r.at]
	}
	return functionType{params: list("parameters"), results: list("results")}
}

type globalType struct {
	value   byte
	mutable bool
}

func (t globalType) String() string {
	if t.mutable {
		return "mut " + typeName(t.value)
	}
	return typeName(t.value)
}

func (r *reader) globalType() globalType {
	t := globalType{value: r.valueType()}
	switch m := r.byte("mutability"); m {
	case 0:
	case 1:
		t.mutable = true
	default:
		r.failAt(r.at-1, "mutability %#x is unknown", m)
	}
	return t
}

// limits are the size of a memory or table.
type limits struct {
	min, max uint32
	bounded  bool // has a maximum
}

func (r *reader) limits() limits {
	var l limits
	switch flag := r.byte("limits"); flag {
	case 0:
		l.min = r.u32("minimum")
	case 1:
		l.min, l.max, l.bounded = r.u32("minimum"), r.u32("maximum"), true
	default:
		r.failAt(r.at-1, "limits of form %#x are unknown", flag)
	}
	return l
}

type tableType struct {
	element byte
	limits
}

func (r *reader) tableType() tableType {
	at := r.at
	t := tableType{element: r.valueType()}
	if t.element != typeFuncref && t.element != typeExternref {
		r.failAt(at, "table of %s, want funcref or externref", typeName(t.element))
	}
	t.limits = r.limits()
	return t
}

// skipConstant passes over a constant expression, which may name so many
// globals. The counter must not be among them.
func (r *reader) skipConstant(globals int) {
	for r.err == nil {
		at := r.at
		switch op := r.byte("constant expression"); op {
		case opEnd:
			return
		case opGlobalGet:
			if i := r.u32("index of global"); int64(i) >= int64(globals) {
				r.failAt(at, "global %d does not exist here; there are %d", i, globals)
			}
		case opI32Const, opI64Const, 0x43, 0x44, 0xd0, 0xd2:
			r.skipImmediate(immediateOf(op))
		case opVector:
			if n := r.byte("vector operator"); n != 12 {
				r.failAt(r.at-1, "vector operator %#x in a constant expression", n)
				return
			}
			r.skip(16, "v128 constant")
		default:
			r.failAt(r.at-1, "operator %#x in a constant expression", op)
		}
	}
}
