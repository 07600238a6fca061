package extension

import (
	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/wasm/guest"
)

func requestSnapshot(in *guest.Instance, mem guest.Memory, stack []uint64) {
	in.Scratch = appendSnapshot(in.Scratch[:0], in, in.MustExchange())
	answer(stack, int32(mem.Put(uint32(stack[0]), uint32(stack[1]), in.Scratch)))
}

func appendSnapshot(b []byte, in *guest.Instance, ex *exchange.Exchange) []byte {
	r := &ex.Request
	b = append(b, filterv1.SnapshotVersion)
	b = filterv1.AppendString(b, r.Method)
	b = appendURI(b, r)
	b = filterv1.AppendString(b, r.Scheme)
	b = filterv1.AppendString(b, r.Host)
	b = filterv1.AppendString(b, r.Path)
	b = filterv1.AppendString(b, r.Query)
	b = filterv1.AppendString(b, r.Proto)
	b = appendSource(b, r)
	b = filterv1.AppendString(b, ex.Route)
	b = filterv1.AppendString(b, ex.RequestID)

	countAt, count := len(b), uint32(0)
	b = filterv1.AppendUint32(b, 0)
	for i := range r.Header.Len() {
		f := r.Header.At(i)
		if !in.Visible(f.Name) {
			continue
		}
		b = filterv1.AppendString(filterv1.AppendLower(b, f.Name), f.Value)
		count++
	}
	filterv1.AppendUint32(b[:countAt], count)
	return b
}

func appendURI(b []byte, r *exchange.Request) []byte {
	n := len(r.RawPath)
	if r.Query != "" {
		n += 1 + len(r.Query)
	}
	b = append(filterv1.AppendUint32(b, uint32(n)), r.RawPath...)
	if r.Query != "" {
		b = append(append(b, '?'), r.Query...)
	}
	return b
}

func appendSource(b []byte, r *exchange.Request) []byte {
	address := r.Source.Addr().Unmap()
	lengthAt := len(b)
	b = filterv1.AppendUint32(b, 0)
	if address.IsValid() {
		b = address.AppendTo(b)
	}
	filterv1.AppendUint32(b[:lengthAt], uint32(len(b)-lengthAt-4))
	b = filterv1.AppendUint32(b, uint32(r.Source.Port()))
	var ip [16]byte
	if address.IsValid() {
		ip = address.As16()
	}
	return append(b, ip[:]...)
}
