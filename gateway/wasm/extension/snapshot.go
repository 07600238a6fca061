package extension

import (
	"encoding/binary"
	"slices"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/wasm/guest"
)

func requestSnapshot(in *guest.Instance, mem guest.Memory, stack []uint64) {
	ex := in.MustExchange()
	in.Charge(int64(ex.Request.Header.Len()) * fieldUnits)
	in.Scratch = appendSnapshot(in.Scratch[:0], in, ex)
	answer(stack, int32(mem.Put(uint32(stack[0]), uint32(stack[1]), in.Scratch)))
}

// fieldUnits is what a field in a snapshot costs, besides its bytes.
const fieldUnits = 2

// Sizes in a snapshot's encoding.
const (
	lengthBytes = 4
	// fixedBytes is what a snapshot has besides its texts: the version, eleven
	// lengths, the port, the address of 16 bytes, the number of fields.
	fixedBytes = 1 + 11*lengthBytes + 4 + 16 + 4
	// maxAddressBytes is the longest address, with a zone.
	maxAddressBytes = 64
)

// appendSnapshot is on the path of every request through most filters. So it
// makes room once, and then writes without looking.
func appendSnapshot(b []byte, in *guest.Instance, ex *exchange.Exchange) []byte {
	r := &ex.Request
	b = slices.Grow(b, snapshotBound(ex))
	b = append(b, filterv1.SnapshotVersion)
	b = appendText(b, r.Method)
	b = appendURI(b, r)
	b = appendText(b, r.Scheme)
	b = appendText(b, r.Host)
	b = appendText(b, r.Path)
	b = appendText(b, r.Query)
	b = appendText(b, r.Proto)
	b = appendSource(b, r)
	b = appendText(b, ex.Route)
	b = appendText(b, ex.RequestID)

	countAt, count := len(b), uint32(0)
	b = b[:countAt+lengthBytes]
	for i := range r.Header.Len() {
		f := r.Header.At(i)
		if !in.Visible(f.Name) {
			continue
		}
		b = appendText(appendLower(b, f.Name), f.Value)
		count++
	}
	binary.LittleEndian.PutUint32(b[countAt:], count)
	return b
}

// snapshotBound is at least as large as the snapshot of ex.
func snapshotBound(ex *exchange.Exchange) int {
	r := &ex.Request
	n := fixedBytes + maxAddressBytes + len(r.Method) + len(r.RawPath) + 1 + 2*len(r.Query) + len(r.Scheme) + len(r.Host) +
		len(r.Path) + len(r.Proto) + len(r.Source.Addr().Zone()) + len(ex.Route) + len(ex.RequestID)
	for i := range r.Header.Len() {
		f := r.Header.At(i)
		n += 2*lengthBytes + len(f.Name) + len(f.Value)
	}
	return n
}

// appendText is filterv1.AppendString where there is room.
func appendText(b []byte, s string) []byte {
	n := len(b)
	b = b[:n+lengthBytes+len(s)]
	binary.LittleEndian.PutUint32(b[n:], uint32(len(s)))
	copy(b[n+lengthBytes:], s)
	return b
}

// appendLower is appendText with ASCII letters in lower case, eight bytes at a
// time.
func appendLower(b []byte, s string) []byte {
	b = appendText(b, s)
	p := b[len(b)-len(s):]
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(p, exchange.Lower8(binary.LittleEndian.Uint64(p)))
		p = p[8:]
	}
	for i, c := range p {
		if 'A' <= c && c <= 'Z' {
			p[i] = c + 'a' - 'A'
		}
	}
	return b
}

func appendURI(b []byte, r *exchange.Request) []byte {
	lengthAt := len(b)
	b = appendText(b, r.RawPath)
	if r.Query != "" {
		b = append(append(b, '?'), r.Query...)
		binary.LittleEndian.PutUint32(b[lengthAt:], uint32(len(b)-lengthAt-lengthBytes))
	}
	return b
}

func appendSource(b []byte, r *exchange.Request) []byte {
	address := r.Source.Addr().Unmap()
	lengthAt := len(b)
	b = b[:lengthAt+lengthBytes]
	if address.IsValid() {
		b = address.AppendTo(b)
	}
	binary.LittleEndian.PutUint32(b[lengthAt:], uint32(len(b)-lengthAt-lengthBytes))
	b = filterv1.AppendUint32(b, uint32(r.Source.Port()))
	var ip [16]byte
	if address.IsValid() {
		ip = address.As16()
	}
	return append(b, ip[:]...)
}
