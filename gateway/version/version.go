// Package version owns how a request says which version of an API it means: by
// the first segment of its path, by a header field, or not at all. It turns
// what the request says into the one path that routes are written for.
//
// Which versions there are is configuration (gateway/config); which routes a
// version has is the router's business, and refusing is gateway/app's.
package version

import (
	"slices"
	"strings"

	"gatehouse.example/gateway/config"
	"gatehouse.example/gateway/exchange"
	"gatehouse.example/internal/problem"
)

// Router finds the position of the route of a request, or a negative number.
type Router interface {
	Lookup(host, method, path string) int
}

// Versions resolves versions. The zero value leaves every request alone. It is
// immutable and safe for concurrent use.
type Versions struct {
	header, byDefault string
	known             []string
}

// New returns what the configuration says; nil configures nothing.
func New(c *config.Versions) Versions {
	if c == nil {
		return Versions{}
	}
	return Versions{header: c.Header, byDefault: c.Default, known: c.Known}
}

// Resolved is what became of a request.
type Resolved struct {
	// Version is the request's version; "" where it has none.
	Version string
	// ByHeader says that the header field decided, so that a cache must look
	// at it (RFC 9110 §12.5.5).
	ByHeader bool
}

// Resolve finds out which version r means. A path that begins with a version
// stays as it is. Another one that has a route of its own stays as it is too,
// and has no version. What is left gets the version of the header field, or the
// default, in front of its path, if that has a route that is not the version's
// own rest (its "/v1/*").
//
// The problem is a 404 for a version in the path that does not exist, and a 400
// for one in the header field, or for two that differ. It says which exist.
func (v Versions) Resolve(r *exchange.Request, method string, routes Router, rest func(index int, version string) bool) (Resolved, *problem.Problem) {
	if len(v.known) == 0 {
		return Resolved{}, nil
	}
	asked, refusal := v.asked(&r.Header)
	if inPath, ok := leading(r.Path); ok {
		switch {
		case !slices.Contains(v.known, inPath):
			return Resolved{}, v.unknown(404, inPath, problem.Violation{In: "path", Name: "version", Detail: "does not exist"})
		case refusal != nil:
			return Resolved{}, refusal
		case asked != "" && asked != inPath:
			return Resolved{}, problem.Newf(400, "version_conflict", "the path says %s and the header field %s says %s", inPath, v.header, asked).
				With(problem.Violation{In: "header", Name: v.header, Detail: "contradicts the path"})
		}
		return Resolved{Version: inPath}, nil
	}
	if r.Path == "/" || routes.Lookup(r.HostName(), method, r.Path) >= 0 {
		return Resolved{}, nil
	}
	if refusal != nil {
		return Resolved{}, refusal
	}
	chosen := asked
	if chosen == "" {
		chosen = v.byDefault
	}
	if chosen == "" {
		return Resolved{}, nil
	}
	index := routes.Lookup(r.HostName(), method, "/"+chosen+r.Path)
	if index < 0 || rest(index, chosen) {
		return Resolved{}, nil
	}
	// The path is clean already, and stays so with a clean segment before it.
	r.Path, r.RawPath = "/"+chosen+r.Path, "/"+chosen+r.RawPath
	return Resolved{Version: chosen, ByHeader: true}, nil
}

// asked returns the version that the header field names; "" where there is
// none. "1" and "v1" are the same.
func (v Versions) asked(h *exchange.Header) (string, *problem.Problem) {
	if v.header == "" {
		return "", nil
	}
	values := h.Values(nil, v.header)
	if len(values) == 0 {
		return "", nil
	}
	name := strings.ToLower(strings.TrimSpace(values[0]))
	if name != "" && name[0] >= '0' && name[0] <= '9' {
		name = "v" + name
	}
	if len(values) > 1 || !slices.Contains(v.known, name) {
		return "", v.unknown(400, strings.Join(values, ", "), problem.Violation{In: "header", Name: v.header, Detail: "does not exist"})
	}
	return name, nil
}

func (v Versions) unknown(status int, name string, at problem.Violation) *problem.Problem {
	if len(name) > 32 {
		name = strings.ToValidUTF8(name[:32], "") + "…"
	}
	return problem.Newf(status, "unknown_version", "there is no version %q; there is %s", name, strings.Join(v.known, ", ")).With(at)
}

// leading returns the version that a path begins with: "v" and one to three
// digits.
func leading(path string) (string, bool) {
	segment, _, _ := strings.Cut(path[1:], "/")
	if len(segment) < 2 || len(segment) > 4 || segment[0] != 'v' || strings.Trim(segment[1:], "0123456789") != "" {
		return "", false
	}
	return segment, true
}
