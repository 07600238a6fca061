package jsonhttp

import (
	"net/http"

	"gatehouse.example/internal/problem"
)

// Routed answers with mux, and with problems where it would answer a path or
// method that it does not know in plain text.
func Routed(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern == "" {
			NoRoute(w, r, mux)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// NoRoute answers a request that mux has no pattern for: 405 with the methods
// that the path has (RFC 9110 §15.5.6), else 404.
func NoRoute(w http.ResponseWriter, r *http.Request, mux *http.ServeMux) {
	// ServeMux tells the methods only in the answer that it writes itself.
	probe := headProbe{header: http.Header{}}
	mux.ServeHTTP(&probe, r)
	if probe.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", probe.header.Get("Allow"))
		problem.Write(w, r, problem.Newf(http.StatusMethodNotAllowed, "method_not_allowed", "%s is not possible here", r.Method))
		return
	}
	problem.Write(w, r, problem.New(http.StatusNotFound, "not_found", "there is nothing at this path"))
}

// headProbe keeps the head of an answer and drops its body.
type headProbe struct {
	header http.Header
	status int
}

func (p *headProbe) Header() http.Header         { return p.header }
func (p *headProbe) WriteHeader(status int)      { p.status = status }
func (p *headProbe) Write(b []byte) (int, error) { return len(b), nil }
