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

// readable returns the header of a kind, nil where the guest sees none, and
// whether it is the request's own, where Host is a field for the guest though
// it is none for the Exchange.
func readable(in *guest.Instance, kind uint32) (h *exchange.Header, withHost bool) {
	ex := in.MustExchange()
	switch kind {
	case kindRequest:
		return &ex.Request.Header, true
	case kindResponse:
		return &ex.Response.Header, false
	case kindRequestTrailers, kindResponseTrailers:
		if in.Features&FeatureTrailers == 0 {
			return nil, false
		}
		return trailer(in, kind), false
	}
	panic(guest.Trap("unknown kind of header"))
}

// trailer returns the trailers of a message, whose body is read for them where
// that is possible: they come after it.
func trailer(in *guest.Instance, kind uint32) *exchange.Header {
	request, response := &in.Exchange.Request, &in.Exchange.Response
	if kind == kindRequestTrailers {
		if in.Phase == guest.Responding && request.Body.Stream != nil {
			// It streamed, or streams, to the upstream.
			return nil
		}
		buffer(in, &request.Body)
		return &request.Trailer
	}
	if in.Phase == guest.Responding && response.Body.Stream != nil {
		if in.Features&FeatureBufferResponse == 0 {
			return nil
		}
		buffer(in, &response.Body)
	}
	return &response.Trailer
}

func mutable(in *guest.Instance, kind uint32) (h *exchange.Header, withHost bool) {
	switch kind {
	case kindRequest, kindRequestTrailers:
		mustBeforeNext(in, "the request's header")
	case kindResponse, kindResponseTrailers:
		mustOwnResponse(in, "the response's header")
	}
	if h, withHost = readable(in, kind); h == nil {
		panic(guest.Trap("can't change trailers unless the feature trailers is enabled"))
	}
	return h, withHost
}

// list writes NUL terminated texts and returns count<<32 | length.
func list(in *guest.Instance, mem guest.Memory, address, limit uint32, count int) uint64 {
	return uint64(count)<<32 | uint64(mem.Put(address, limit, in.Scratch))
}

// getHeaderNames lists each name once, in lower case, Host first.
func getHeaderNames(in *guest.Instance, mem guest.Memory, stack []uint64) {
	h, withHost := readable(in, uint32(stack[0]))
	in.Scratch = in.Scratch[:0]
	count := 0
	if h == nil {
		stack[0] = 0
		return
	}
	if withHost && in.Exchange.Request.Host != "" {
		in.Scratch = append(in.Scratch, "host\x00"...)
		count++
	}
	in.Charge(int64(h.Len()) * listUnits)
	repeats := h.Repeats()
	for i := range h.Len() {
		name := h.At(i).Name
		if !in.Visible(name) || repeats.At(i) {
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

// listUnits is what a field costs that is listed, scanUnits one whose name is
// compared: by the length of the name that is looked for.
const listUnits = 16

func scanUnits(h *exchange.Header, name string) int64 {
	return int64(h.Len()) * int64(1+len(name)/guest.BytesPerUnit)
}

// mustRoom takes room for a change, which costs a look at all fields.
func mustRoom(in *guest.Instance, h *exchange.Header, name, value string) {
	in.Charge(scanUnits(h, name))
	mustTake(in, exchange.Room{Changes: 1, ChangeBytes: len(name) + len(value)})
}

func mustTake(in *guest.Instance, r exchange.Room) {
	if err := in.Exchange.Take(r); err != nil {
		panic(guest.Trap(err.Error()))
	}
}

func getHeaderValues(in *guest.Instance, mem guest.Memory, stack []uint64) {
	h, withHost := readable(in, uint32(stack[0]))
	name := mustName(in, mem, stack[1], stack[2])
	in.Scratch = in.Scratch[:0]
	count := 0
	switch {
	case h == nil:
	case withHost && strings.EqualFold(name, "Host"):
		in.Scratch = append(append(in.Scratch, in.Exchange.Request.Host...), 0)
		count = 1
	case !in.Visible(name):
		// As though it were not there; an operator can see that it was asked.
		in.NotGranted(in.Filter.CredentialGrant(name))
	default:
		in.Charge(scanUnits(h, name))
		for i := range h.Len() {
			if f := h.At(i); exchange.EqualName(f.Name, name) {
				in.Scratch = append(append(in.Scratch, f.Value...), 0)
				count++
			}
		}
	}
	stack[0] = list(in, mem, uint32(stack[3]), uint32(stack[4]), count)
}

// mustName reads a field name. A message never holds one that is not a token
// (RFC 9110 §5.1), so to ask for one or to remove one is fine.
func mustName(in *guest.Instance, mem guest.Memory, address, length uint64) string {
	name := in.Intern(mem.Bytes(uint32(address), uint32(length)))
	if name == "" {
		panic(guest.Trap("the header's name is empty"))
	}
	return name
}

// mustChange traps where a field may not be set: the ABI has no other way to
// say so.
func mustChange(in *guest.Instance, kind uint32, name string) {
	if !exchange.ValidFieldName(name) {
		panic(guest.Trap("the header's name is not a token"))
	}
	mustBeChangeable(in, name)
	if kind >= kindRequestTrailers && exchange.ForbiddenTrailer(name) {
		panic(guest.Trap(name + " can't be a trailer"))
	}
}

func mustBeChangeable(in *guest.Instance, name string) {
	if !in.Changeable(name) {
		grant := in.Filter.CredentialGrant(name)
		in.NotGranted(grant)
		panic(guest.Trap("changing " + name + " needs the grant " + grant + ": add it under grants"))
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
	h, withHost := mutable(in, uint32(stack[0]))
	name, value := mustName(in, mem, stack[1], stack[2]), mustValue(in, mem, stack[3], stack[4])
	mustChange(in, uint32(stack[0]), name)
	mustRoom(in, h, name, value)
	if withHost && strings.EqualFold(name, "Host") {
		setHost(in, value)
		return
	}
	h.Set(name, value)
}

func setHost(in *guest.Instance, value string) {
	if err := in.Exchange.Request.SetHost(value); err != nil {
		panic(guest.Trap("set Host: " + err.Error()))
	}
}

func addHeaderValue(in *guest.Instance, mem guest.Memory, stack []uint64) {
	h, withHost := mutable(in, uint32(stack[0]))
	name, value := mustName(in, mem, stack[1], stack[2]), mustValue(in, mem, stack[3], stack[4])
	mustChange(in, uint32(stack[0]), name)
	mustRoom(in, h, name, value)
	if withHost && strings.EqualFold(name, "Host") {
		// Filters that copy all fields come here with the value that it has.
		if !strings.EqualFold(value, in.Exchange.Request.Host) {
			panic(guest.Trap("a request has one Host"))
		}
		return
	}
	h.Add(name, value)
}

// removeHeader leaves Host, without which there is no request, as net/http
// hosts do.
func removeHeader(in *guest.Instance, mem guest.Memory, stack []uint64) {
	h, withHost := mutable(in, uint32(stack[0]))
	name := mustName(in, mem, stack[1], stack[2])
	mustBeChangeable(in, name)
	if withHost && strings.EqualFold(name, "Host") {
		return
	}
	in.Charge(scanUnits(h, name))
	h.Del(name)
}
