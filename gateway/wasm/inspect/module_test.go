package inspect_test

import (
	"encoding/binary"
	"slices"
)

const i32, i64 byte = 0x7f, 0x7e

type function struct {
	module, name    string
	params, results []byte
}

// handler encodes a module with imports, a memory of one to four pages and a
// handler that lets everything pass. Where said is not empty, it is what
// gatehouse_describe says; exports are further functions, which do nothing.
func handler(imports []function, said string, exports ...string) []byte {
	types := [][]byte{{0x60, 0, 1, i64}, {0x60, 2, i32, i32, 0}, {0x60, 0, 0}}
	var list []byte
	for i, f := range imports {
		types = append(types, slices.Concat([]byte{0x60, byte(len(f.params))}, f.params, []byte{byte(len(f.results))}, f.results))
		list = slices.Concat(list, text(f.module), text(f.name), []byte{0, byte(3 + i)})
	}
	first := byte(len(imports))
	exported := slices.Concat(text("memory"), []byte{2, 0}, text("handle_request"), []byte{0, first}, text("handle_response"), []byte{0, first + 1})
	count := byte(3)
	if said != "" {
		exported = slices.Concat(exported, text("gatehouse_describe"), []byte{0, first + 2})
		count++
	}
	for _, name := range exports {
		exported = slices.Concat(exported, text(name), []byte{0, first + 3})
		count++
	}
	describe := slices.Concat([]byte{0, 0x42}, signed(1024<<32|int64(len(said))), []byte{0x0b})
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, []byte{byte(len(types))}, slices.Concat(types...)),
		section(2, []byte{first}, list),
		section(3, []byte{4, 0, 1, 0, 2}),
		section(4, []byte{2, 0x70, 0, 3, 0x6f, 1, 1, 9}),
		section(5, []byte{1, 1, 1, 4}),
		section(7, []byte{count}, exported),
		section(10, []byte{4, 4, 0, 0x42, 1, 0x0b, 2, 0, 0x0b, byte(len(describe))}, describe, []byte{2, 0, 0x0b}),
		section(11, []byte{1, 0, 0x41}, signed(1024), []byte{0x0b}, uvarint(len(said)), []byte(said)),
	)
}

func section(id byte, parts ...[]byte) []byte {
	content := slices.Concat(parts...)
	return slices.Concat([]byte{id}, uvarint(len(content)), content)
}

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
