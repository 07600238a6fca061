package endpoint

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// stream answers an operation as server-sent events: "next" with each result,
// "complete" after the last. It ends when the client goes, too.
func (e *Endpoint) stream(ctx context.Context, w http.ResponseWriter, operation *graphql.OperationContext) {
	ctx, cancel := context.WithCancel(ctx)
	defer context.AfterFunc(e.draining, cancel)()
	results := make(chan *graphql.Response)
	go func() {
		defer close(results)
		defer func() {
			if panicked := recover(); panicked != nil {
				_ = e.recovered(ctx, panicked) // the stream ends
			}
		}()
		e.produce(ctx, operation, func(resp *graphql.Response) bool {
			select {
			case results <- resp:
				return true
			case <-ctx.Done():
				return false
			}
		})
	}()
	defer func() {
		cancel()
		for range results { // it ends now
		}
	}()
	s := newEvents(w)
	s.comment()
	silence := time.NewTicker(e.Heartbeat)
	defer silence.Stop()
	for s.err == nil {
		select {
		case resp, more := <-results:
			if !more {
				s.complete()
				return
			}
			e.count(operation, resp)
			s.next(resp)
		case <-silence.C:
			s.comment()
		}
	}
}

// produce sends the result of a query, or those of a subscription until it ends
// or send returns false.
func (e *Endpoint) produce(ctx context.Context, operation *graphql.OperationContext, send func(*graphql.Response) bool) {
	if operation.Operation.Operation != ast.Subscription {
		send(e.once(ctx, operation))
		return
	}
	responses, ctx := e.exec.DispatchOperation(ctx, operation)
	for resp := responses(ctx); resp != nil && send(resp); {
		resp = responses(ctx)
	}
}

// events writes server-sent events (HTML Living Standard §9.2).
type events struct {
	w       http.ResponseWriter
	control *http.ResponseController
	// err is why nothing reaches the client any more.
	err error
}

func newEvents(w http.ResponseWriter) *events {
	h := w.Header()
	h.Set("Content-Type", mediaEvents)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusOK)
	return &events{w: w, control: http.NewResponseController(w)}
}

func (s *events) next(resp *graphql.Response) { s.send("event: next\ndata: %s\n\n", encode(resp)) }

// complete has an empty "data": without one, no event is dispatched.
func (s *events) complete() { s.send("event: complete\ndata: \n\n") }

func (s *events) comment() { s.send(":\n\n") }

// send writes and flushes. A client that does not read is let go.
func (s *events) send(format string, args ...any) {
	if s.err != nil {
		return
	}
	_ = s.control.SetWriteDeadline(time.Now().Add(writeTimeout)) // best effort
	if _, s.err = fmt.Fprintf(s.w, format, args...); s.err == nil {
		s.err = s.control.Flush()
	}
	_ = s.control.SetWriteDeadline(time.Time{})
}
