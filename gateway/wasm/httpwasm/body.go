package httpwasm

import (
	"errors"
	"fmt"
	"io"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/wasm/guest"
)

func body(in *guest.Instance, kind uint32) *exchange.Body {
	ex := in.MustExchange()
	switch kind {
	case kindRequest:
		return &ex.Request.Body
	case kindResponse:
		return &ex.Response.Body
	}
	panic(guest.Trap("unknown kind of body"))
}

// readBody returns the next part of a body and, in the upper half, whether
// that was the last. A stream is read whole first, within the filter's limit,
// so that nothing is lost for whoever comes next.
func readBody(in *guest.Instance, mem guest.Memory, stack []uint64) {
	kind, address, limit := uint32(stack[0]), uint32(stack[1]), uint32(stack[2])
	if kind == kindRequest {
		if in.Phase == guest.Responding && in.Features&FeatureBufferRequest == 0 {
			panic(guest.Trap("can't read the request's body after the next handler unless buffer_request is enabled"))
		}
	} else {
		mustOwnResponse(in, "the response's body")
	}
	b := body(in, kind)
	if limit == 0 {
		panic(guest.Trap("read_body into an empty buffer"))
	}
	buf := mem.Bytes(address, limit)
	if err := Buffer(b, in.Filter.MaxBodyBytes); err != nil {
		panic(fmt.Errorf("read body: %w", err))
	}
	at := min(in.BodyRead[kind], len(b.Bytes))
	n := copy(buf, b.Bytes[at:])
	in.BodyRead[kind] = at + n
	stack[0] = uint64(n)
	if at+n == len(b.Bytes) {
		stack[0] |= 1 << 32
	}
}

// Buffer reads a streamed body into memory.
//
// # Errors
//
// [exchange.ErrBodyTooLarge] past limit bytes, or the stream's own.
func Buffer(b *exchange.Body, limit int64) error {
	if b.Stream == nil {
		return nil
	}
	if b.Length > limit {
		return exchange.ErrBodyTooLarge
	}
	data, err := io.ReadAll(io.LimitReader(b.Stream, limit+1))
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if int64(len(data)) > limit {
		return exchange.ErrBodyTooLarge
	}
	b.SetBytes(data)
	return nil
}

// writeBody replaces a body, and appends from the second call on.
func writeBody(in *guest.Instance, mem guest.Memory, stack []uint64) {
	kind := uint32(stack[0])
	if kind == kindRequest {
		mustBeforeNext(in, "the request's body")
	} else {
		mustOwnResponse(in, "the response's body")
	}
	b := body(in, kind)
	p := mem.Bytes(uint32(stack[1]), uint32(stack[2]))
	if !in.BodyWritten[kind] {
		in.BodyWritten[kind] = true
		b.SetBytes(nil)
	}
	if int64(len(b.Bytes)+len(p)) > in.Filter.MaxBodyBytes {
		panic(fmt.Errorf("write body: %w", exchange.ErrBodyTooLarge))
	}
	b.SetBytes(append(b.Bytes, p...))
}

func getStatusCode(in *guest.Instance, _ guest.Memory, stack []uint64) {
	status := in.MustExchange().Response.Status
	if status == 0 {
		status = 200
	}
	stack[0] = uint64(status)
}

func setStatusCode(in *guest.Instance, _ guest.Memory, stack []uint64) {
	mustOwnResponse(in, "the status code")
	status := uint32(stack[0])
	if status < 100 || status > 999 {
		panic(guest.Trap("the status code has not three digits"))
	}
	in.Exchange.Response.Status = int(status)
}
