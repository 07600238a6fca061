package exchange

import "strings"

// EqualName compares field names without regard to the case of ASCII letters,
// eight bytes at a time: names may be long and alike.
func EqualName(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for len(a) >= 8 {
		x, y := load8(a), load8(b)
		if x != y && Lower8(x) != Lower8(y) {
			return false
		}
		a, b = a[8:], b[8:]
	}
	for i := range len(a) {
		if a[i] != b[i] && lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

// load8 is one load of the machine.
func load8(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// Lower8 lowers the ASCII letters of eight bytes. The high bit of each byte
// tells: with the first sum those above 'Z', with the second those from 'A' on,
// of the bytes that are ASCII.
func Lower8(x uint64) uint64 {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	low := x &^ high
	aboveZ := low + (0x7f-'Z')*ones
	fromA := low + (0x80-'A')*ones
	return x | (^x&high&(fromA^aboveZ))>>2
}

// fewFields is up to how many fields names are compared with one another; of
// more, a map is made.
const fewFields = 24

// Repeats says of the fields of a header whether an earlier one has their name.
type Repeats struct {
	h     *Header
	again []bool // of many fields
}

// Repeats looks at the fields as they are now.
func (h *Header) Repeats() Repeats {
	r := Repeats{h: h}
	if h.Len() <= fewFields {
		return r
	}
	r.again = make([]bool, h.Len())
	seen := make(map[string]struct{}, h.Len())
	for i := range r.again {
		name := strings.ToLower(h.fields[i].Name)
		_, r.again[i] = seen[name]
		seen[name] = struct{}{}
	}
	return r
}

// At reports whether a field before field i has its name.
func (r *Repeats) At(i int) bool {
	if r.again != nil {
		return r.again[i]
	}
	for j := range i {
		if EqualName(r.h.fields[j].Name, r.h.fields[i].Name) {
			return true
		}
	}
	return false
}
