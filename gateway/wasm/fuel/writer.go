package fuel

// appendU32 appends an unsigned LEB128.
func appendU32(b []byte, v uint32) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

// appendI64 appends a signed LEB128.
func appendI64(b []byte, v int64) []byte {
	for {
		low := byte(v & 0x7f)
		v >>= 7
		if v == 0 && low&0x40 == 0 || v == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}

// sizeBytes is the width of a size that is written before it is known.
const sizeBytes = 5

// appendSize leaves room for the size of what is appended next.
func appendSize(b []byte) []byte { return append(b, 0, 0, 0, 0, 0) }

// putSize writes the size of everything after the room at into it, in five
// bytes, as the format allows.
func putSize(b []byte, at int) {
	n := uint32(len(b) - at - sizeBytes)
	for i := range sizeBytes - 1 {
		b[at+i] = byte(n) | 0x80
		n >>= 7
	}
	b[at+sizeBytes-1] = byte(n)
}
