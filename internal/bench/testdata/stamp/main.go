// Command stamp is a filter that says which build of it has run.
package main

import "gatehouse.example/sdk/filter"

// stamp is set by the linker.
var stamp = "none"

// Config has no fields.
type Config struct{}

type handler struct{}

func newFilter(*filter.Setup, Config) (handler, error) { return handler{}, nil }

// HandleRequest puts the stamp on the response.
func (handler) HandleRequest(r *filter.Request) filter.Action {
	r.SetResponseHeader("X-Stamp", stamp)
	return filter.Next
}

var _ = filter.Register("stamp", newFilter)

func main() {}
