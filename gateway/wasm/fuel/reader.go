package fuel

import "fmt"

// reader reads a part of a binary. Its first error sticks; after it, all reads
// give zero and more says false.
type reader struct {
	b   []byte // ends where the part ends
	at  int    // offset in the binary
	err error
}

func (r *reader) fail(format string, args ...any) {
	r.failAt(r.at, format, args...)
}

func (r *reader) failAt(at int, format string, args ...any) {
	if r.err == nil {
		r.err = &Error{Offset: at, Problem: fmt.Sprintf(format, args...)}
	}
	r.at = len(r.b)
}

func (r *reader) more() bool { return r.at < len(r.b) && r.err == nil }

func (r *reader) byte(what string) byte {
	if r.at >= len(r.b) {
		r.fail("%s is missing", what)
		return 0
	}
	b := r.b[r.at]
	r.at++
	return b
}

// u32 reads an unsigned LEB128 of at most 32 bits.
func (r *reader) u32(what string) uint32 {
	if r.at < len(r.b) && r.b[r.at] < 0x80 {
		r.at++
		return uint32(r.b[r.at-1])
	}
	return r.longU32(what)
}

func (r *reader) longU32(what string) uint32 {
	var v uint64
	for i := range 5 {
		b := r.byte(what)
		v |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			if v > 0xffffffff {
				r.fail("%s has more than 32 bits", what)
				return 0
			}
			return uint32(v)
		}
	}
	r.fail("%s has more than 5 bytes", what)
	return 0
}

// i33 reads a signed LEB128 of at most 33 bits.
func (r *reader) i33(what string) int64 {
	var v int64
	for i := range 5 {
		b := r.byte(what)
		v |= int64(b&0x7f) << (7 * i)
		if b < 0x80 {
			// The sign is the highest bit that was read.
			unused := 64 - 7*(i+1)
			return v << unused >> unused
		}
	}
	r.fail("%s has more than 5 bytes", what)
	return 0
}

// skipLEB passes over a LEB128 of at most so many bytes, whose value does not
// matter here.
func (r *reader) skipLEB(bytes int, what string) {
	for range bytes {
		if r.byte(what) < 0x80 {
			return
		}
	}
	r.fail("%s has more than %d bytes", what, bytes)
}

// count reads how many elements follow, each of at least size bytes.
func (r *reader) count(limit, size int, what string) int {
	at := r.at
	n := r.u32("number of " + what)
	switch {
	case int64(n) > int64(limit):
		r.failAt(at, "%d %s are more than the allowed %d", n, what, limit)
		return 0
	case int64(n)*int64(size) > int64(len(r.b)-r.at):
		r.failAt(at, "%d %s do not fit into the %d bytes that follow", n, what, len(r.b)-r.at)
		return 0
	}
	return int(n)
}

func (r *reader) skip(n int, what string) {
	if n > len(r.b)-r.at {
		r.fail("%s is cut off", what)
		return
	}
	r.at += n
}

// bytes reads a length and so many bytes.
func (r *reader) bytes(what string) []byte {
	n := r.u32("length of " + what)
	if int64(n) > int64(len(r.b)-r.at) {
		r.fail("%s of %d bytes does not fit into the %d bytes that follow", what, n, len(r.b)-r.at)
		return nil
	}
	r.at += int(n)
	return r.b[r.at-int(n) : r.at]
}

// part returns a reader of the next n bytes and passes over them.
func (r *reader) part(n uint32, what string) reader {
	if int64(n) > int64(len(r.b)-r.at) {
		r.fail("%s of %d bytes does not fit into the %d bytes that follow", what, n, len(r.b)-r.at)
		return reader{b: r.b, at: len(r.b), err: r.err}
	}
	p := reader{b: r.b[:r.at+int(n)], at: r.at}
	r.at += int(n)
	return p
}
