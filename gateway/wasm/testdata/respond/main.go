// Command respond is a test filter with a response phase, on the SDK.
package main

import (
	"strings"

	"gatehouse.example/sdk/filter"
)

// Config is its configuration.
type Config struct {
	Rewrite bool `json:"rewrite" doc:"whether to rewrite the response's body"`
}

type respond struct {
	config Config
	path   string
	buf    [4096]byte
}

func newFilter(s *filter.Setup, c Config) (*respond, error) {
	if c.Rewrite {
		s.BufferResponse()
	}
	return &respond{config: c}, nil
}

// HandleRequest remembers the path for the response.
func (f *respond) HandleRequest(r *filter.Request) filter.Action {
	f.path = strings.Clone(r.Path())
	switch r.Path() {
	case "/panic":
		panic("on purpose")
	case "/answer":
		r.SetResponseHeader("X-Path", f.path)
		return r.Reply(418, "text/plain", []byte("short and stout"))
	}
	return filter.Next
}

// HandleResponse rewrites the body in upper case.
func (f *respond) HandleResponse(_ *filter.Request, w *filter.Response) {
	if w.Failed || !f.config.Rewrite {
		return
	}
	var body []byte
	for {
		n, eof := w.ReadBody(f.buf[:])
		body = append(body, f.buf[:n]...)
		if eof {
			break
		}
	}
	w.WriteBody([]byte(strings.ToUpper(string(body))))
	w.SetHeader("X-Path", f.path)
	w.SetHeader("X-Type", w.Header("Content-Type"))
	w.SetStatus(w.Status() + 1)
}

var _ = filter.Register("respond", newFilter)

func main() {}
