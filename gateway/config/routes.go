package config

import (
	"errors"
	"fmt"
	"mime"
	"strings"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/router"
)

func (b *builder) routes() {
	names := map[string]int{}
	for i := range b.raw.Routes {
		raw, at := &b.raw.Routes[i], fmt.Sprintf("routes[%d]", i)
		if raw.Name == "" {
			b.add(at, "route has no name")
		} else if first, ok := names[raw.Name]; ok {
			b.add(at+".name", "route %q exists already (%s)", raw.Name, b.where(fmt.Sprintf("routes[%d]", first)))
		} else {
			names[raw.Name] = i
		}
		b.Routes = append(b.Routes, b.route(at, raw))
	}
	b.ambiguous()
}

func (b *builder) route(at string, raw *fileRoute) Route {
	r := Route{
		Name: raw.Name, Host: strings.ToLower(raw.Match.Host), Path: raw.Match.Path, Methods: raw.Match.Methods,
		Filters: raw.Filters, Upstream: raw.Upstream, Timeout: raw.Timeout,
		Body: Body{MaxBytes: b.Limits.MaxBodyBytes},
	}
	if r.Host != "" {
		probe := exchange.Request{}
		if err := probe.SetHost(r.Host); err != nil || probe.HostName() != r.Host {
			b.add(at+".match.host", "host %q: want a host name without a port", raw.Match.Host)
		}
	}
	for j, m := range r.Methods {
		if m == "" || strings.ToUpper(m) != m || !exchange.ValidFieldName(m) {
			b.add(fmt.Sprintf("%s.match.methods[%d]", at, j), "method %q: want upper case", m)
		}
	}
	seen := map[string]bool{}
	for j, name := range r.Filters {
		if _, ok := b.raw.Filters[name]; !ok {
			b.add(fmt.Sprintf("%s.filters[%d]", at, j), "unknown filter %q", name)
		}
		if seen[name] {
			b.add(fmt.Sprintf("%s.filters[%d]", at, j), "filter %q is there twice", name)
		}
		seen[name] = true
	}
	if r.Timeout < 0 {
		b.add(at+".timeout", "timeout must not be negative")
	}
	b.destination(at, raw, &r)
	b.require(at, raw.Require, &r)
	b.body(at, raw.Body, &r)
	return r
}

func (b *builder) destination(at string, raw *fileRoute, r *Route) {
	switch {
	case raw.Upstream == "" && raw.Respond == nil:
		b.add(at, "route %q has neither upstream nor respond", raw.Name)
	case raw.Upstream != "" && raw.Respond != nil:
		b.add(at+".respond", "route %q has both upstream and respond", raw.Name)
	case raw.Upstream != "":
		if _, ok := b.raw.Upstreams[raw.Upstream]; !ok {
			b.add(at+".upstream", "unknown upstream %q", raw.Upstream)
		}
	default:
		r.Respond = &Respond{Status: raw.Respond.Status, Body: raw.Respond.Body, ContentType: raw.Respond.ContentType}
		if r.Respond.Status < 200 || r.Respond.Status > 599 {
			b.add(at+".respond.status", "status %d: want 200 to 599", r.Respond.Status)
		}
		if r.Respond.ContentType == "" {
			r.Respond.ContentType = "text/plain; charset=utf-8"
		}
		if !exchange.ValidFieldValue(r.Respond.ContentType) {
			b.add(at+".respond.content_type", "content_type holds a control byte")
		}
	}
}

func (b *builder) require(at string, raw *fileRequire, r *Route) {
	if raw == nil {
		return
	}
	if len(raw.Scopes) == 0 && len(raw.Roles) == 0 && !raw.Authenticated {
		b.add(at+".require", "require asks for nothing; leave it out to open the route, or set authenticated: true")
	}
	r.Require = &Require{Scopes: raw.Scopes, Roles: raw.Roles, Authenticated: true}
}

func (b *builder) body(at string, raw *fileBody, r *Route) {
	if raw == nil {
		return
	}
	if raw.Max != nil {
		r.Body.MaxBytes = int64(*raw.Max)
		if r.Body.MaxBytes < 0 {
			b.add(at+".body.max", "max must not be negative")
		}
	}
	for j, ct := range raw.ContentTypes {
		mediaType, _, err := mime.ParseMediaType(ct)
		if err != nil {
			b.add(fmt.Sprintf("%s.body.content_types[%d]", at, j), "content type %q: %w", ct, err)
			continue
		}
		r.Body.ContentTypes = append(r.Body.ContentTypes, mediaType)
	}
	if raw.Schema != "" {
		r.Body.Schema = b.path(raw.Schema)
		if len(r.Body.ContentTypes) == 0 {
			r.Body.ContentTypes = []string{"application/json"}
		}
	}
}

// ambiguous refuses routes that match the same requests, since which of them
// is meant cannot be said. It reports the first pair.
func (b *builder) ambiguous() {
	_, err := router.New(b.RouterRoutes())
	if conflict, ok := errors.AsType[*router.ConflictError](err); ok {
		method := "any method"
		if conflict.Method != "" {
			method = conflict.Method
		}
		b.add(fmt.Sprintf("routes[%d].match", conflict.Second), "route %q matches the same requests as route %q (%s) for %s",
			b.Routes[conflict.Second].Name, b.Routes[conflict.First].Name,
			b.where(fmt.Sprintf("routes[%d]", conflict.First)), method)
		return
	}
	if pattern, ok := errors.AsType[*router.PatternError](err); ok {
		b.add(fmt.Sprintf("routes[%d].match.path", pattern.Index), "%w", err)
	}
}

// RouterRoutes returns the routes as gateway/router takes them, in the same
// order.
func (g *Gateway) RouterRoutes() []router.Route {
	routes := make([]router.Route, len(g.Routes))
	for i := range g.Routes {
		r := &g.Routes[i]
		routes[i] = router.Route{Host: r.Host, Path: r.Path, Methods: r.Methods}
	}
	return routes
}

func (b *builder) where(path string) string {
	at, ok := b.Gateway.places.find(path)
	if !ok {
		return b.File
	}
	return fmt.Sprintf("line %d", at.line)
}

// Requirement says in words what the principal of a request needs; "" is
// nothing.
func (r *Route) Requirement() string {
	if r.Require == nil {
		return ""
	}
	text := "authenticated"
	if len(r.Require.Scopes) > 0 {
		text = "scopes " + strings.Join(r.Require.Scopes, " ")
	}
	if len(r.Require.Roles) > 0 {
		text += ", one of roles " + strings.Join(r.Require.Roles, " ")
	}
	return text
}
