// Package filter owns the chain of filters that a request passes: the contract
// between the gateway and a filter host, the order of calls, and what a
// filter's failure means.
//
// It knows nothing of WebAssembly: gateway/wasm implements [Filter]. It does
// not decide who may pass (that is the route's require, enforced after the
// chain) and never writes to a socket.
package filter

import (
	"context"

	"gatehouse.example/gateway/exchange"
)

// Filter is one configured filter. Routes that name it share it; it is safe
// for concurrent use.
type Filter interface {
	// Name is the key under "filters" in the gateway's configuration.
	Name() string
	// HandleRequest runs the request phase on ex.
	//
	// # Errors
	//
	// An error is the filter's failure (a trap, a missing instance, an
	// exhausted limit), never its answer; the chain applies OnError.
	HandleRequest(ctx context.Context, ex *exchange.Exchange) (Result, error)
	// OnError says what a failure means for the request.
	OnError() OnError
	// Close frees the filter when the last request in flight has left it.
	Close(ctx context.Context) error
}

// Result is the outcome of a request phase.
type Result struct {
	// Answered is true where the filter has filled ex.Response: nothing goes
	// upstream.
	Answered bool
	// Response is the response phase that waits, or nil where the filter has
	// none. The chain calls exactly one of its methods.
	Response ResponsePhase
	// Usage is what the phase has used, also where it failed.
	Usage Usage
}

// Usage is what one phase of a filter has used. The zero value means that the
// filter does not say.
type Usage struct {
	// Fuel is in units; see Limits.Fuel.
	Fuel int64
	// Crossings is how often the filter has called the host.
	Crossings uint32
}

// ResponsePhase is the second half of a filter's work on one exchange.
type ResponsePhase interface {
	// HandleResponse runs the response phase on ex.Response. failed is true
	// where the upstream could not be reached or did not answer.
	HandleResponse(ctx context.Context, ex *exchange.Exchange, failed bool) (Usage, error)
	// Release gives the phase up without running it.
	Release()
}

// Preparer is a [ResponsePhase] that has done something to the response already
// before it is called, which stays whatever becomes of the call.
type Preparer interface {
	Prepare(ex *exchange.Exchange)
}

// OnError says what a filter's failure means.
type OnError uint8

// What a failure means: Deny answers 503 (the default), Skip goes on as though
// the filter were not there. Skip is refused for filters that authenticate.
const (
	Deny OnError = iota
	Skip
)
