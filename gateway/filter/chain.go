package filter

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/trace"

	"gatehouse.example/gateway/exchange"
)

// Chain is the filters of one route, in the order of their request phases. It
// is immutable and safe for concurrent use.
type Chain []Filter

// Run is the state of one exchange within a chain: the response phases that
// wait. The zero value is ready; it may be used again after
// [Run.HandleResponse] or [Run.Release].
type Run struct {
	// Tracer records a span for each call of a filter. Nil, which Release makes
	// it again, records none: it is for requests that are sampled.
	Tracer trace.Tracer

	waiting []waiting
}

type waiting struct {
	filter Filter
	phase  ResponsePhase
}

// FailedError says that a filter failed whose OnError is [Deny].
type FailedError struct {
	// Filter is the filter's name.
	Filter string
	// Phase is "request" or "response".
	Phase string
	err   error
}

// Error names filter and phase.
func (e *FailedError) Error() string {
	return fmt.Sprintf("filter %q: %s phase: %v", e.Filter, e.Phase, e.err)
}

// Unwrap returns the filter's own error.
func (e *FailedError) Unwrap() error { return e.err }

// HandleRequest runs the request phases until a filter answers. skipped hears
// of failures that do not matter for the request (OnError [Skip]).
//
// # Errors
//
// A *[FailedError]; the response phases of the filters before it still wait.
func (c Chain) HandleRequest(ctx context.Context, ex *exchange.Exchange, run *Run, skipped func(error)) (answered bool, err error) {
	for _, f := range c {
		before := save(f, ex)
		result, err := run.request(ctx, f, ex)
		if err != nil {
			failure := &FailedError{Filter: f.Name(), Phase: "request", err: err}
			undo(ex, before)
			if f.OnError() == Deny {
				return false, failure
			}
			skipped(failure)
			continue
		}
		ex.Request.Body.Commit()
		ex.Response.Body.Commit()
		if result.Response != nil {
			run.waiting = append(run.waiting, waiting{f, result.Response})
		}
		if result.Answered {
			return true, nil
		}
	}
	return false, nil
}

// HandleResponse runs the waiting response phases, the last filter's first.
// failed is as [ResponsePhase.HandleResponse] has it. After an error the
// remaining phases are released, since there is no response for them to see.
//
// # Errors
//
// A *[FailedError].
func (r *Run) HandleResponse(ctx context.Context, ex *exchange.Exchange, failed bool, skipped func(error)) error {
	defer r.Release()
	for len(r.waiting) > 0 {
		last := len(r.waiting) - 1
		w := r.waiting[last]
		r.waiting[last] = waiting{}
		r.waiting = r.waiting[:last]
		if p, ok := w.phase.(Preparer); ok {
			p.Prepare(ex)
		}
		before := save(w.filter, ex)
		if err := r.response(ctx, w, ex, failed); err != nil {
			failure := &FailedError{Filter: w.filter.Name(), Phase: "response", err: err}
			undo(ex, before)
			if w.filter.OnError() == Deny {
				return failure
			}
			skipped(failure)
			continue
		}
		ex.Response.Body.Commit()
	}
	return nil
}

// save keeps the exchange for a filter whose failure must leave no trace.
func save(f Filter, ex *exchange.Exchange) *exchange.Saved {
	if f.OnError() != Skip {
		return nil
	}
	return ex.Save()
}

// undo takes back what a filter has done that failed: all of it where the
// exchange goes on without the filter, else the bodies, which are still needed
// to end it.
func undo(ex *exchange.Exchange, before *exchange.Saved) {
	if before != nil {
		ex.Restore(before)
		return
	}
	ex.Request.Body.Undo()
	ex.Response.Body.Undo()
}

// Release gives up the phases that still wait.
func (r *Run) Release() {
	for i := range r.waiting {
		r.waiting[i].phase.Release()
	}
	clear(r.waiting)
	r.waiting = r.waiting[:0]
	r.Tracer = nil
}
