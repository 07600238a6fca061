package exchange

import (
	"net/textproto"
	"strings"
)

// Header is an ordered list of header fields. Names compare without regard to
// case (RFC 9110 §5.1); fields of one name keep their order. The zero value is
// empty and ready. It is not safe for concurrent use.
type Header struct{ fields []Field }

// Field is one header field.
type Field struct{ Name, Value string }

// Len returns the number of fields.
func (h *Header) Len() int { return len(h.fields) }

// At returns field i in the order received.
func (h *Header) At(i int) Field { return h.fields[i] }

// Get returns the first value of name, or "".
func (h *Header) Get(name string) string {
	for i := range h.fields {
		if EqualName(h.fields[i].Name, name) {
			return h.fields[i].Value
		}
	}
	return ""
}

// Has reports whether there is a field of that name.
func (h *Header) Has(name string) bool {
	for i := range h.fields {
		if EqualName(h.fields[i].Name, name) {
			return true
		}
	}
	return false
}

// Values appends all values of name to dst.
func (h *Header) Values(dst []string, name string) []string {
	for i := range h.fields {
		if EqualName(h.fields[i].Name, name) {
			dst = append(dst, h.fields[i].Value)
		}
	}
	return dst
}

// Add appends a field.
func (h *Header) Add(name, value string) { h.fields = append(h.fields, Field{name, value}) }

// Set replaces all fields of name by one, in the place of the first.
func (h *Header) Set(name, value string) {
	for i := range h.fields {
		if EqualName(h.fields[i].Name, name) {
			h.fields[i].Value = value
			h.del(name, i+1)
			return
		}
	}
	h.Add(name, value)
}

// Del removes all fields of name.
func (h *Header) Del(name string) { h.del(name, 0) }

func (h *Header) del(name string, from int) {
	kept := h.fields[:from]
	for _, f := range h.fields[from:] {
		if !EqualName(f.Name, name) {
			kept = append(kept, f)
		}
	}
	clear(h.fields[len(kept):])
	h.fields = kept
}

// DelFunc removes each field for which drop returns true.
func (h *Header) DelFunc(drop func(Field) bool) {
	kept := h.fields[:0]
	for _, f := range h.fields {
		if !drop(f) {
			kept = append(kept, f)
		}
	}
	clear(h.fields[len(kept):])
	h.fields = kept
}

// Reset removes all fields and keeps the memory.
func (h *Header) Reset() {
	clear(h.fields)
	h.fields = h.fields[:0]
}

// HeaderOp says how a [HeaderChange] changes a header.
type HeaderOp uint8

// The operations of a [HeaderChange].
const (
	HeaderSet    HeaderOp = iota // replace all values by one
	HeaderAdd                    // append a value
	HeaderRemove                 // remove all values
	HeaderMerge                  // append a list element unless it is there (Vary)
)

// HeaderChange is one change of a header.
type HeaderChange struct {
	Op          HeaderOp
	Name, Value string
}

// Apply makes the change to h.
func (c HeaderChange) Apply(h *Header) {
	switch c.Op {
	case HeaderSet:
		h.Set(c.Name, c.Value)
	case HeaderAdd:
		h.Add(c.Name, c.Value)
	case HeaderRemove:
		h.Del(c.Name)
	case HeaderMerge:
		h.merge(c.Name, c.Value)
	}
}

// maxMergeBytes is how long a list may be that elements are merged into; those
// of a longer one get a field of their own, which means the same (RFC 9110
// §5.3).
const maxMergeBytes = 4 << 10

func (h *Header) merge(name, element string) {
	for i := range h.fields {
		if !EqualName(h.fields[i].Name, name) {
			continue
		}
		if len(h.fields[i].Value) > maxMergeBytes {
			break
		}
		for part := range strings.SplitSeq(h.fields[i].Value, ",") {
			if p := textproto.TrimString(part); p == "*" || strings.EqualFold(p, element) {
				return
			}
		}
		h.fields[i].Value += ", " + element
		return
	}
	h.Add(name, element)
}
