package fuel

import (
	"cmp"
	"slices"
)

// Linkers leave out runs of zeros, so that a module of Go has thousands of data
// segments, each of which the runtime reads and copies by itself whenever it
// makes an instance: 33,000, in the built-in filters. They are joined where
// nothing can tell: active ones that do not overlap and are not far apart.

// joinGap is how many zeros are written out for one segment less.
const joinGap = 64

// segment is an active data segment with a constant offset.
type segment struct {
	offset uint32
	data   []byte
}

// dataSection is what the data section and its count are written from.
type dataSection struct {
	segments []segment
	joined   bool
}

// joinData finds out which segments there are, and whether they may be joined:
// not where code names them, nor where one may write over another.
func (m *module) joinData() dataSection {
	var d dataSection
	if !m.found[sectionData] || m.namesData {
		return d
	}
	r := m.parts[sectionData]
	n := r.u32("number of data segments")
	if count := m.parts[sectionDataCount]; m.found[sectionDataCount] && count.u32("number of data segments") != n {
		return d
	}
	for range n {
		if r.u32("form of data segment") != 0 {
			return d
		}
		offset, ok := r.constantI32()
		if !ok {
			return d
		}
		d.segments = append(d.segments, segment{offset, r.bytes("data segment")})
	}
	slices.SortStableFunc(d.segments, func(a, b segment) int { return cmp.Compare(a.offset, b.offset) })
	end := uint64(0)
	for _, s := range d.segments {
		if uint64(s.offset) < end {
			return d
		}
		end = uint64(s.offset) + uint64(len(s.data))
	}
	d.joined = r.err == nil
	return d
}

// constantI32 reads an i32.const expression.
func (r *reader) constantI32() (uint32, bool) {
	if r.byte("constant expression") != opI32Const {
		return 0, false
	}
	var v uint64
	for shift := 0; shift < 35; shift += 7 {
		b := r.byte("i32 constant")
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			if b&0x40 != 0 && shift < 28 {
				v |= ^uint64(0) << (shift + 7)
			}
			return uint32(v), r.byte("end of constant expression") == opEnd
		}
	}
	return 0, false
}

// run returns how many of the segments become one, and its length.
func run(segments []segment) (count, length int) {
	first := segments[0].offset
	length = len(segments[0].data)
	for count = 1; count < len(segments); count++ {
		s := &segments[count]
		if uint64(s.offset)-uint64(first) > uint64(length+joinGap) {
			break
		}
		length = int(s.offset-first) + len(s.data)
	}
	return count, length
}

// runs returns how many segments are left.
func (d *dataSection) runs() uint32 {
	n := uint32(0)
	for rest := d.segments; len(rest) > 0; n++ {
		count, _ := run(rest)
		rest = rest[count:]
	}
	return n
}

func (m *module) appendDataCount(out []byte, d *dataSection) []byte {
	if !d.joined || !m.found[sectionDataCount] {
		return m.appendAsItIs(out, sectionDataCount)
	}
	out = append(out, sectionDataCount)
	at := len(out)
	out = appendU32(appendSize(out), d.runs())
	putSize(out, at)
	return out
}

func (m *module) appendData(out []byte, d *dataSection) []byte {
	if !d.joined {
		return m.appendAsItIs(out, sectionData)
	}
	out = append(out, sectionData)
	at := len(out)
	out = appendU32(appendSize(out), d.runs())
	for rest := d.segments; len(rest) > 0; {
		count, length := run(rest)
		first := rest[0].offset
		out = appendI64(append(out, 0, opI32Const), int64(int32(first)))
		out = appendU32(append(out, opEnd), uint32(length))
		from := len(out)
		for i := range count {
			for len(out)-from < int(rest[i].offset-first) {
				out = append(out, 0)
			}
			out = append(out, rest[i].data...)
		}
		rest = rest[count:]
	}
	putSize(out, at)
	return out
}

func (m *module) appendAsItIs(out []byte, id byte) []byte {
	if r := m.parts[id]; m.found[id] {
		out = appendU32(append(out, id), uint32(len(r.b)-r.at))
		out = append(out, r.b[r.at:]...)
	}
	return out
}
