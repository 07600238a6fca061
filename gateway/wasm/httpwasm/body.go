package httpwasm

import (
	"errors"
	"fmt"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/wasm/guest"
)

// body returns a body of the exchange and the guest's place in it.
func body(in *guest.Instance, kind uint32) (*exchange.Body, *guest.Body) {
	ex := in.MustExchange()
	switch kind {
	case kindRequest:
		return &ex.Request.Body, &in.Bodies[kindRequest]
	case kindResponse:
		return &ex.Response.Body, &in.Bodies[kindResponse]
	}
	panic(guest.Trap("unknown kind of body"))
}

// mustBody traps where the guest may not use a body with the import of that
// name: there is no status by which the ABI could say so. What the guest
// answers itself, before the next handler, is its own.
func mustBody(in *guest.Instance, kind uint32, name string) {
	grant := filterv1.GrantRequestBody
	if kind == kindResponse {
		if in.Phase != guest.Responding {
			return
		}
		grant = filterv1.GrantResponseBody
	}
	if !grantedBody(in.Filter, grant) {
		in.NotGranted(grant)
		panic(guest.Trap(name + " needs the grant " + grant + ": add it under grants"))
	}
}

// readBody returns the next part of a body and, in the upper half, whether
// that was the last. A stream is read whole first, within the filter's limit,
// so that nothing is lost for whoever comes next.
func readBody(in *guest.Instance, mem guest.Memory, stack []uint64) {
	kind, address, limit := uint32(stack[0]), uint32(stack[1]), uint32(stack[2])
	b, state := body(in, kind)
	if kind == kindRequest {
		if in.Phase == guest.Responding && in.Features&FeatureBufferRequest == 0 {
			panic(guest.Trap("can't read the request's body after the next handler unless buffer_request is enabled"))
		}
	} else {
		mustOwnResponse(in, "the response's body")
	}
	if limit == 0 {
		panic(guest.Trap("read_body into an empty buffer"))
	}
	if uint64(address)+uint64(limit) > uint64(mem.Size()) {
		panic(guest.Trap("read_body: address range outside the guest's memory"))
	}
	mustBody(in, kind, "read_body")
	if !state.Reading {
		buffer(in, b)
		state.Reading, state.Source = true, b.Bytes
	}
	left := state.Source[state.Read:]
	n := copy(mem.Bytes(address, uint32(min(int64(limit), int64(len(left))))), left)
	state.Read += n
	stack[0] = uint64(n)
	if n == len(left) {
		stack[0] |= 1 << 32
	}
}

// buffer reads a streaming body into memory, and traps where it cannot.
//
// A request's body that streamed to the upstream is not there any more.
func buffer(in *guest.Instance, b *exchange.Body) {
	if in.Phase == guest.Responding && b == &in.Exchange.Request.Body && b.Stream != nil {
		panic(guest.Trap("the request's body has gone to the upstream: enable buffer_request, and read it in handle_request"))
	}
	if b.Stream == nil {
		return
	}
	var err error
	in.Waiting(func() { err = b.Buffer(in.Filter.MaxBodyBytes) })
	if err != nil {
		panic(fmt.Errorf("read body: %w", err))
	}
}

// writeBody replaces a body with its first call in handle_request or
// handle_response, and appends from the second on.
func writeBody(in *guest.Instance, mem guest.Memory, stack []uint64) {
	kind := uint32(stack[0])
	b, state := body(in, kind)
	if kind == kindRequest {
		mustBeforeNext(in, "the request's body")
	} else {
		mustOwnResponse(in, "the response's body")
	}
	mustBody(in, kind, "write_body")
	p := mem.Bytes(uint32(stack[1]), uint32(stack[2]))
	if !state.Written {
		if kind == kindRequest {
			// The client sends it in any case, and its connection is good for
			// another request only when it has.
			buffer(in, b)
		}
		state.Written = true
		b.Replace()
	}
	if int64(len(b.Bytes))+int64(len(p)) > in.Filter.MaxBodyBytes {
		panic(fmt.Errorf("write body: %w", exchange.ErrBodyTooLarge))
	}
	b.SetBytes(append(b.Bytes, p...))
}

// BufferRequest reads the request's body into memory where the guest will want
// it: it has enabled buffer_request while it started, and may read it. Called
// before the guest, no instance waits for a slow client, and a client that
// breaks off traps nobody. A body that is too large is left as it is: the guest
// may not want it.
//
// # Errors
//
// Those of [exchange.Body.Buffer], but for a body that is too large.
func BufferRequest(f *guest.Filter, features uint32, ex *exchange.Exchange) error {
	if features&FeatureBufferRequest == 0 || !grantedBody(f, filterv1.GrantRequestBody) {
		return nil
	}
	if err := ex.Request.Body.Buffer(f.MaxBodyBytes); err != nil && !errors.Is(err, exchange.ErrBodyTooLarge) {
		return fmt.Errorf("read the request's body: %w", err)
	}
	return nil
}

func grantedBody(f *guest.Filter, grant string) bool {
	return f.Granted(grant) || f.Granted(filterv1.GrantBody)
}

// getStatusCode answers 200 as long as nobody has set a status.
func getStatusCode(in *guest.Instance, _ guest.Memory, stack []uint64) {
	status := in.MustExchange().Response.Status
	if status == 0 {
		status = 200
	}
	stack[0] = uint64(status)
}

// setStatusCode takes a status of a final response: an informational one would
// leave the client waiting for another.
func setStatusCode(in *guest.Instance, _ guest.Memory, stack []uint64) {
	mustOwnResponse(in, "the status code")
	status := uint32(stack[0])
	if status < 200 || status > 999 {
		panic(guest.Trap(fmt.Sprintf("set_status_code: %d is no status of a final response (200 to 999)", int32(status))))
	}
	in.Exchange.Response.Status = int(status)
}
