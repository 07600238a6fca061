package reload_test

import (
	"encoding/binary"
	"slices"
)

// answering returns a module that answers each request with status, 128 to
// 8191. It imports set_status_code alone.
func answering(status int) []byte {
	const i32, i64 = 0x7f, 0x7e
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, 3, 0x60, 1, i32, 0, 0x60, 0, 1, i64, 0x60, 2, i32, i32, 0),
		section(2, slices.Concat([]byte{1}, text("http_handler"), text("set_status_code"), []byte{0, 0})...),
		section(3, 2, 1, 2),
		section(5, 1, 0, 1),
		section(7, slices.Concat([]byte{3},
			text("memory"), []byte{2, 0}, text("handle_request"), []byte{0, 1}, text("handle_response"), []byte{0, 2})...),
		section(10, 2,
			9, 0, 0x41, byte(status&0x7f|0x80), byte(status>>7), 0x10, 0, 0x42, 0, 0x0b,
			2, 0, 0x0b),
	)
}

func section(id byte, content ...byte) []byte {
	return slices.Concat([]byte{id}, binary.AppendUvarint(nil, uint64(len(content))), content)
}

func text(s string) []byte { return append([]byte{byte(len(s))}, s...) }
