package filterv1

import "encoding/binary"

// AppendUint32 appends v.
func AppendUint32(dst []byte, v uint32) []byte { return binary.LittleEndian.AppendUint32(dst, v) }

// AppendString appends the length of s and s.
func AppendString(dst []byte, s string) []byte {
	return append(AppendUint32(dst, uint32(len(s))), s...)
}

// AppendBytes appends the length of p and p.
func AppendBytes(dst, p []byte) []byte {
	return append(AppendUint32(dst, uint32(len(p))), p...)
}

// AppendLower appends s as a string with ASCII letters in lower case.
func AppendLower(dst []byte, s string) []byte {
	dst = AppendString(dst, s)
	written := dst[len(dst)-len(s):]
	for i, c := range written {
		if 'A' <= c && c <= 'Z' {
			written[i] = c + 'a' - 'A'
		}
	}
	return dst
}

// Reader decodes what the Append functions encode. It never panics: once it
// has run past the end, OK is false and all it returns is zero. What it
// returns shares memory with its input.
type Reader struct {
	rest []byte
	bad  bool
}

// NewReader returns a reader of p.
func NewReader(p []byte) Reader { return Reader{rest: p} }

// OK reports whether everything that was asked for was there.
func (r *Reader) OK() bool { return !r.bad }

// Len returns the number of bytes left.
func (r *Reader) Len() int { return len(r.rest) }

// Take returns the next n bytes.
func (r *Reader) Take(n int) []byte {
	if r.bad || n < 0 || n > len(r.rest) {
		r.bad, r.rest = true, nil
		return nil
	}
	p := r.rest[:n:n]
	r.rest = r.rest[n:]
	return p
}

// Uint8 returns the next byte.
func (r *Reader) Uint8() uint8 {
	if p := r.Take(1); p != nil {
		return p[0]
	}
	return 0
}

// Uint32 returns the next integer.
func (r *Reader) Uint32() uint32 {
	if p := r.Take(4); p != nil {
		return binary.LittleEndian.Uint32(p)
	}
	return 0
}

// Bytes returns the next string's bytes.
func (r *Reader) Bytes() []byte {
	if p := r.rest; len(p) >= 4 {
		n := uint64(binary.LittleEndian.Uint32(p))
		if p = p[4:]; n <= uint64(len(p)) {
			r.rest = p[n:]
			return p[:n:n]
		}
	}
	r.bad, r.rest = true, nil
	return nil
}

// Operation is one decoded operation of apply. Its fields share memory with
// the input.
type Operation struct {
	// Op says which operation.
	Op Op
	// Name is the header's or attribute's name, the method or the URI, or the
	// content type of a reply.
	Name []byte
	// Value is the value, or a reply's body.
	Value []byte
	// Status is a reply's status code.
	Status uint32
}

// Operation returns the next operation. An unknown one makes OK false.
func (r *Reader) Operation() Operation {
	o := Operation{Op: Op(r.Uint8())}
	switch o.Op {
	case OpSetHeader, OpAddHeader, OpSetAttribute, OpSetResponseHeader, OpAddResponseHeader, OpMergeResponseHeader:
		o.Name, o.Value = r.Bytes(), r.Bytes()
	case OpRemoveHeader, OpRemoveResponseHeader, OpSetMethod, OpSetURI:
		o.Name = r.Bytes()
	case OpReply:
		o.Status, o.Name, o.Value = r.Uint32(), r.Bytes(), r.Bytes()
	default:
		r.bad, r.rest = true, nil
	}
	return o
}
