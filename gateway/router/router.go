// Package router owns which route a request belongs to: host, path and method
// against a compiled, immutable tree.
//
// It knows routes by their position only. What a route demands and where it
// leads is the business of gateway/app; making a path unambiguous is that of
// gateway/exchange.
//
// # Precedence
//
// A route with a host goes before one without. Then, segment by segment from
// the left, a literal goes before a {name}, and both before "/*". Among routes
// of one path, one that lists the method goes before one that lists none; a
// HEAD request takes the route of GET where none lists HEAD. A path that
// matches but has no route for the method gives way to a less specific one.
package router

import (
	"fmt"
	"slices"
	"strings"
)

// Route is what a request is matched against.
type Route struct {
	// Host is the exact host name without a port, in any case; "" is any.
	Host string
	// Path is "/exact", "/x/{name}/y" or "/prefix/*", which also matches
	// "/prefix".
	Path string
	// Methods lists the methods in upper case; empty is any.
	Methods []string
}

// ConflictError says that two routes would match the same requests.
type ConflictError struct {
	// First and Second are the routes' positions, First the smaller.
	First, Second int
	// Method is the shared method, "" for any.
	Method string
}

// Error names the positions.
func (e *ConflictError) Error() string {
	method := e.Method
	if method == "" {
		method = "any method"
	}
	return fmt.Sprintf("routes %d and %d match the same path for %s", e.First, e.Second, method)
}

// PatternError says that a route's path cannot be read.
type PatternError struct {
	// Index is the route's position.
	Index int
	err   error
}

// Error says what is wrong with the path.
func (e *PatternError) Error() string { return e.err.Error() }

// None is the position of no route.
const None = -1

// Router finds routes. It is immutable and safe for concurrent use.
type Router struct {
	any   *node
	hosts map[string]*node
}

type node struct {
	static map[string]*node
	param  *node
	exact  *leaf
	prefix *leaf
}

type leaf struct {
	methods []methodRoute
	any     int
}

type methodRoute struct {
	method string
	index  int
}

// New compiles routes.
//
// # Errors
//
// *[PatternError] and *[ConflictError].
func New(routes []Route) (*Router, error) {
	r := &Router{any: &node{}, hosts: map[string]*node{}}
	for i, route := range routes {
		p, err := parsePattern(route.Path)
		if err != nil {
			return nil, &PatternError{Index: i, err: err}
		}
		root := r.any
		if host := strings.ToLower(route.Host); host != "" {
			if r.hosts[host] == nil {
				r.hosts[host] = &node{}
			}
			root = r.hosts[host]
		}
		if err := root.leafFor(p).add(route.Methods, i); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (n *node) leafFor(p pattern) *leaf {
	for _, segment := range p.segments {
		n = n.child(segment)
	}
	slot := &n.exact
	if p.prefix {
		slot = &n.prefix
	}
	if *slot == nil {
		*slot = &leaf{any: None}
	}
	return *slot
}

func (n *node) child(segment string) *node {
	if segment == anySegment {
		if n.param == nil {
			n.param = &node{}
		}
		return n.param
	}
	if n.static == nil {
		n.static = map[string]*node{}
	}
	if n.static[segment] == nil {
		n.static[segment] = &node{}
	}
	return n.static[segment]
}

func (l *leaf) add(methods []string, index int) error {
	if len(methods) == 0 {
		if l.any != None {
			return &ConflictError{First: l.any, Second: index}
		}
		l.any = index
		return nil
	}
	for _, m := range methods {
		for _, have := range l.methods {
			if have.method == m {
				return &ConflictError{First: have.index, Second: index, Method: m}
			}
		}
		l.methods = append(l.methods, methodRoute{m, index})
	}
	return nil
}

func (l *leaf) find(method string) int {
	get := None
	for i := range l.methods {
		if l.methods[i].method == method {
			return l.methods[i].index
		}
		if l.methods[i].method == "GET" {
			get = l.methods[i].index
		}
	}
	if method == "HEAD" && get != None {
		return get
	}
	return l.any
}

// Lookup returns the position of the route for a request to path (as of
// exchange.CleanPath) on host (lower case, no port), or [None]. It does not
// allocate.
func (r *Router) Lookup(host, method, path string) int {
	if len(r.hosts) > 0 {
		if root := r.hosts[host]; root != nil {
			if i := root.lookup(strings.TrimPrefix(path, "/"), method); i != None {
				return i
			}
		}
	}
	return r.any.lookup(strings.TrimPrefix(path, "/"), method)
}

func (n *node) lookup(rest, method string) int {
	segment, after, more := strings.Cut(rest, "/")
	if child := n.static[segment]; child != nil {
		if i := child.step(after, more, method); i != None {
			return i
		}
	}
	if n.param != nil && segment != "" {
		if i := n.param.step(after, more, method); i != None {
			return i
		}
	}
	if n.prefix != nil {
		return n.prefix.find(method)
	}
	return None
}

// step goes on below n, or ends there.
func (n *node) step(rest string, more bool, method string) int {
	if more {
		return n.lookup(rest, method)
	}
	if n.exact != nil {
		if i := n.exact.find(method); i != None {
			return i
		}
	}
	if n.prefix != nil {
		return n.prefix.find(method)
	}
	return None
}

// Allowed returns the methods for which path has a route on host, in order,
// for the Allow field of a 405 (RFC 9110 §15.5.6); empty where the path is
// unknown.
func (r *Router) Allowed(host, path string) []string {
	var methods []string
	if root := r.hosts[host]; root != nil {
		root.allowed(strings.TrimPrefix(path, "/"), &methods)
	}
	r.any.allowed(strings.TrimPrefix(path, "/"), &methods)
	slices.Sort(methods)
	return slices.Compact(methods)
}

func (n *node) allowed(rest string, methods *[]string) {
	segment, after, more := strings.Cut(rest, "/")
	next := func(child *node) {
		if child == nil {
			return
		}
		if more {
			child.allowed(after, methods)
			return
		}
		child.exact.list(methods)
		child.prefix.list(methods)
	}
	next(n.static[segment])
	if segment != "" {
		next(n.param)
	}
	n.prefix.list(methods)
}

func (l *leaf) list(methods *[]string) {
	if l == nil {
		return
	}
	for _, m := range l.methods {
		*methods = append(*methods, m.method)
		if m.method == "GET" {
			*methods = append(*methods, "HEAD")
		}
	}
}
