// Package filter is the kit for writing filters for the Gatehouse gateway in
// plain Go. A filter is a struct with a method HandleRequest, made from a
// configuration:
//
//	package main
//
//	import "gatehouse.example/sdk/filter"
//
//	// Config is what the operator writes under "config".
//	type Config struct {
//		Header string `json:"header" doc:"name of the header to add"`
//	}
//
//	type hello struct{ header string }
//
//	func New(s *filter.Setup, c Config) (*hello, error) {
//		if c.Header == "" {
//			c.Header = "X-Hello"
//		}
//		return &hello{c.Header}, nil
//	}
//
//	func (h *hello) HandleRequest(r *filter.Request) filter.Action {
//		r.SetHeader(h.header, "hello")
//		return filter.Next
//	}
//
//	var _ = filter.Register("hello", New)
//
//	func main() {}
//
// `gatehouse filter new hello --sdk DIR` makes a folder with such a filter, its
// tests and a Makefile. Build it with the standard toolchain:
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o hello.wasm .
//
// main never runs in the gateway, which is why Register is called from a
// package variable. A filter with a method HandleResponse has a response
// phase, and keeps its instance until then; one without gives it back before
// the upstream is called.
//
// # Grants
//
// A filter sees and changes requests. For credentials, bodies, a memory, calls
// and metrics the operator grants by name what it names with [Needs]; what was
// not granted is hidden, or an answer of StatusNotGranted.
//
// # Failure
//
// A panic is a trap: the client gets 503, the instance is given up, the next
// request is served. The gateway bounds CPU time, memory and what the filter
// waits for; a filter that answers a bad request with [Request.Problem] instead
// of a panic is a better one.
//
// # Speed
//
// The gateway runs many instances of a filter; each serves one request at a
// time, so a filter needs no locks, and what it keeps in its struct is its
// instance's alone. Strings that a [Request] returns are views that are valid
// until the handler returns; clone what must live longer. The kit allocates
// nothing per request. A filter that does allocate pays about half a
// microsecond for each allocation, and its garbage collector later: keep
// buffers in the struct, and append to them.
//
// # Boundary
//
// Cryptography, counters and keys are the gateway's: see [Request.VerifyToken],
// [Request.VerifyKey] and [Limit]. The package speaks the ABI of
// gatehouse.example/pluginspec/filter/v1 and needs no third-party module.
// filtertest runs a filter in go test, natively and
// compiled; `gatehouse filter run` tries it before a live upstream.
package filter
