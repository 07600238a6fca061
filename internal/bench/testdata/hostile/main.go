// Command hostile is a filter that does what its request's path says, and none
// of it is good.
package main

import (
	"strings"

	"gatehouse.example/sdk/filter"
)

// Config has no fields.
type Config struct{}

type handler struct {
	setup *filter.Setup
	big   []byte
	sum   int
}

func newFilter(s *filter.Setup, _ Config) (*handler, error) {
	return &handler{setup: s, big: make([]byte, 16<<20)}, nil
}

//go:noinline
func recurse(n int) int {
	if n < 0 {
		return 0
	}
	return recurse(n+1) + n
}

// HandleRequest does it.
func (h *handler) HandleRequest(r *filter.Request) filter.Action {
	switch _, what, _ := strings.Cut(r.Path()[1:], "/"); what {
	case "loop":
		for {
			h.sum++
		}
	case "fill":
		for range 1000 {
			clear(h.big)
		}
	case "recurse":
		h.sum = recurse(0)
	case "memory":
		var all [][]byte
		for {
			all = append(all, make([]byte, 1<<20))
			h.sum += len(all)
		}
	case "crlf":
		r.SetResponseHeader("X-A", "b\r\nX-Injected: 1")
	case "log":
		line := strings.Repeat("x", 1000)
		for range 10_000 {
			h.setup.Log(filter.Error, line)
		}
	case "trap":
		panic("on purpose")
	}
	return filter.Next
}

var _ = filter.Register("hostile", newFilter)

func main() {}
