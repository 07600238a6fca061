package httpwasm

import (
	"strings"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/wasm/guest"
)

// The kinds of header.
const (
	kindRequest = iota
	kindResponse
	kindRequestTrailers
	kindResponseTrailers
)

// header returns the header of a kind, and whether it is the request's own,
// where Host is a field for the guest though it is none for the Exchange.
func header(in *guest.Instance, kind uint32) (h *exchange.Header, withHost bool) {
	ex := in.MustExchange()
	switch kind {
	case kindRequest:
		return &ex.Request.Header, true
	case kindResponse:
		return &ex.Response.Header, false
	case kindRequestTrailers:
		return &ex.Request.Trailer, false
	case kindResponseTrailers:
		return &ex.Response.Trailer, false
	}
	panic(guest.Trap("unknown kind of header"))
}

func mutableHeader(in *guest.Instance, kind uint32) (h *exchange.Header, withHost bool) {
	h, withHost = header(in, kind)
	switch kind {
	case kindRequest, kindRequestTrailers:
		mustBeforeNext(in, "the request's header")
	default:
		mustOwnResponse(in, "the response's header")
	}
	return h, withHost
}

// list writes NUL terminated texts and returns count<<32 | length.
func list(in *guest.Instance, mem guest.Memory, address, limit uint32, count int) uint64 {
	return uint64(count)<<32 | uint64(mem.Put(address, limit, in.Scratch))
}

// getHeaderNames lists each name once, in lower case.
func getHeaderNames(in *guest.Instance, mem guest.Memory, stack []uint64) {
	h, withHost := header(in, uint32(stack[0]))
	in.Scratch = in.Scratch[:0]
	count := 0
	if withHost && in.Exchange.Request.Host != "" {
		in.Scratch = append(in.Scratch, "host\x00"...)
		count++
	}
	for i := range h.Len() {
		name := h.At(i).Name
		if !in.Visible(name) || seenBefore(h, i) {
			continue
		}
		for j := range len(name) {
			c := name[j]
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			in.Scratch = append(in.Scratch, c)
		}
		in.Scratch = append(in.Scratch, 0)
		count++
	}
	stack[0] = list(in, mem, uint32(stack[1]), uint32(stack[2]), count)
}

func seenBefore(h *exchange.Header, i int) bool {
	name := h.At(i).Name
	for j := range i {
		if strings.EqualFold(h.At(j).Name, name) {
			return true
		}
	}
	return false
}

func getHeaderValues(in *guest.Instance, mem guest.Memory, stack []uint64) {
	h, withHost := header(in, uint32(stack[0]))
	name := mustName(in, mem, stack[1], stack[2])
	in.Scratch = in.Scratch[:0]
	count := 0
	switch {
	case withHost && strings.EqualFold(name, "Host"):
		in.Scratch = append(append(in.Scratch, in.Exchange.Request.Host...), 0)
		count = 1
	case !in.Visible(name):
		// As though it were not there; an operator can see that it was asked.
		in.NotGranted(sensitiveHeaders)
	default:
		for i := range h.Len() {
			if f := h.At(i); strings.EqualFold(f.Name, name) {
				in.Scratch = append(append(in.Scratch, f.Value...), 0)
				count++
			}
		}
	}
	stack[0] = list(in, mem, uint32(stack[3]), uint32(stack[4]), count)
}

const sensitiveHeaders = "headers.sensitive"

// mustName reads a field name. One that is not a token is never there and can
// never be set (RFC 9110 §5.1).
func mustName(in *guest.Instance, mem guest.Memory, address, length uint64) string {
	name := in.Intern(mem.Bytes(uint32(address), uint32(length)))
	if !exchange.ValidFieldName(name) {
		panic(guest.Trap("the header's name is not a token"))
	}
	return name
}

// mustChange traps where the change is not allowed: the ABI has no other way to
// say so.
func mustChange(in *guest.Instance, name string) {
	if !in.Changeable(name) {
		in.NotGranted(sensitiveHeaders)
		panic(guest.Trap("changing " + name + " needs the grant " + sensitiveHeaders))
	}
}

func mustValue(in *guest.Instance, mem guest.Memory, address, length uint64) string {
	value := in.Intern(mem.Bytes(uint32(address), uint32(length)))
	if !exchange.ValidFieldValue(value) {
		panic(guest.Trap("the header's value holds a control byte"))
	}
	return value
}

func setHeaderValue(in *guest.Instance, mem guest.Memory, stack []uint64) {
	h, withHost := mutableHeader(in, uint32(stack[0]))
	name, value := mustName(in, mem, stack[1], stack[2]), mustValue(in, mem, stack[3], stack[4])
	mustChange(in, name)
	if withHost && strings.EqualFold(name, "Host") {
		if err := in.Exchange.Request.SetHost(value); err != nil {
			panic(guest.Trap("set Host: " + err.Error()))
		}
		return
	}
	h.Set(name, value)
}

func addHeaderValue(in *guest.Instance, mem guest.Memory, stack []uint64) {
	h, withHost := mutableHeader(in, uint32(stack[0]))
	name, value := mustName(in, mem, stack[1], stack[2]), mustValue(in, mem, stack[3], stack[4])
	mustChange(in, name)
	if withHost && strings.EqualFold(name, "Host") {
		panic(guest.Trap("a request has one Host"))
	}
	h.Add(name, value)
}

func removeHeader(in *guest.Instance, mem guest.Memory, stack []uint64) {
	h, withHost := mutableHeader(in, uint32(stack[0]))
	name := mustName(in, mem, stack[1], stack[2])
	mustChange(in, name)
	if withHost && strings.EqualFold(name, "Host") {
		panic(guest.Trap("a request needs its Host"))
	}
	h.Del(name)
}
