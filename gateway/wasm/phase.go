package wasm

import (
	"bytes"
	"context"
	"io"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/filter"
)

var _ filter.ResponsePhase = (*instance)(nil)

// request runs handle_request and returns whether the guest has answered.
func (i *instance) request(ctx context.Context, ex *exchange.Exchange) (answered bool, err error) {
	i.Begin(ctx, ex)
	i.counts.requests++
	if err := i.call(i.handleRequest); err != nil {
		return false, err
	}
	i.guestContext = uint32(i.stack[0] >> 32)
	if i.Answered || uint32(i.stack[0]) == 0 {
		if ex.Response.Status == 0 {
			ex.Response.Status = 200
		}
		return true, nil
	}
	if i.early = ex.Response.Body.Bytes; len(i.early) > 0 && !i.Filter.Granted(filterv1.GrantResponseBody) {
		// As an answer of its own it would have needed no grant.
		i.early = nil
		i.NotGranted(filterv1.GrantResponseBody)
		return false, &trap{reason: reasonABI, text: "write_body of the response, and then the next handler, needs the grant " +
			filterv1.GrantResponseBody + ": add it under grants"}
	}
	deferResponse(ex)
	return false, nil
}

// deferResponse keeps what the guest has said of a response that is not its
// own for the moment when there is one: the header. The status is the
// upstream's.
func deferResponse(ex *exchange.Exchange) {
	h := &ex.Response.Header
	repeats := h.Repeats()
	for i := range h.Len() {
		f := h.At(i)
		op := exchange.HeaderSet
		if repeats.At(i) {
			op = exchange.HeaderAdd
		}
		ex.DeferResponseHeader(exchange.HeaderChange{Op: op, Name: f.Name, Value: f.Value})
	}
	h.Reset()
	ex.Response.Status = 0
	ex.Response.Body.Close()
	ex.Response.Body = exchange.Body{}
}

// bodyFields are those by which a client would recognize or check the body as
// the upstream has made it.
var bodyFields = [...]string{"Content-Length", "ETag", "Digest", "Content-Digest", "Repr-Digest", "Content-MD5"}

// prepend puts what the guest has written early before the body of the
// response, as hosts do that send as they go.
func prepend(early []byte, r *exchange.Response) {
	if len(early) == 0 {
		return
	}
	for _, name := range &bodyFields {
		r.Header.Del(name)
	}
	b := &r.Body
	if b.Stream == nil {
		b.SetBytes(append(early, b.Bytes...))
		return
	}
	b.Stream = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(early), b.Stream), b.Stream}
	if b.Length >= 0 {
		b.Length += int64(len(early))
	}
}

// Prepare implements [filter.Preparer]: what the guest has written early comes
// before the body.
func (i *instance) Prepare(ex *exchange.Exchange) {
	prepend(i.early, &ex.Response)
	i.early = nil
}

// HandleResponse implements [filter.ResponsePhase].
func (i *instance) HandleResponse(ctx context.Context, ex *exchange.Exchange, failed bool) (filter.Usage, error) {
	f := i.owner
	i.Prepare(ex)
	i.Respond(ctx)
	i.counts.responses++
	i.stack = [2]uint64{uint64(i.guestContext), 0}
	if failed {
		i.stack[1] = 1
	}
	err := i.call(i.handleResponse)
	usage := i.usage()
	if err != nil {
		return usage, f.failed(i, err)
	}
	i.Release()
	return usage, nil
}

// usage is what the last call has used.
func (i *instance) usage() filter.Usage {
	units, crossings := i.Burnt()
	return filter.Usage{Fuel: units, Crossings: crossings}
}

// Release implements [filter.ResponsePhase].
func (i *instance) Release() {
	i.early = nil
	i.End()
	i.owner.pool.release(i)
}
