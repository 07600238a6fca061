package app

import (
	"errors"
	"net/http"
	"sync"
	"sync/atomic"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/filter"
	"gatehouse.example/gateway/listener"
	"gatehouse.example/gateway/reload"
	"gatehouse.example/gateway/router"
	"gatehouse.example/internal/problem"
)

// pipeline leads exchanges through the gateway.
type pipeline struct {
	app       *App
	metrics   *metrics
	tracing   *tracing
	challenge challenges
	readiness readiness
	draining  atomic.Bool
	passages  sync.Pool
}

var _ listener.Handler = (*pipeline)(nil)

// passage is what the pipeline keeps of one exchange.
type passage struct {
	snapshot *reload.Snapshot
	route    *reload.Route
	run      filter.Run
	answered bool // by a filter
	span     span
	method   string // as the client sent it
	path     string
	query    string
}

func newPipeline(a *App, m *metrics) *pipeline {
	p := &pipeline{app: a, metrics: m, tracing: newTracing(a.options.Tracer), challenge: newChallenges(a.options.Issuer)}
	p.passages.New = func() any { return new(passage) }
	return p
}

// Serve fills ex.Response.
func (p *pipeline) Serve(ex *exchange.Exchange) {
	r := &ex.Request
	ps := p.passages.Get().(*passage)
	if ps.snapshot = p.app.manager.Acquire(); ps.snapshot != nil {
		resolveSource(r, ps.snapshot.Config.TrustedProxies)
	}
	cleanEdge(&r.Header)
	ps.method, ps.path, ps.query = r.Method, r.Path, r.Query
	ex.Pipeline = ps
	p.metrics.inFlight.Inc()
	p.tracing.start(ex, ps)
	if !p.builtIn(ex) {
		p.lead(ex, ps)
	}
	ex.Response.Header.Set("X-Request-Id", ex.RequestID)
}

// lead takes an exchange through its route.
func (p *pipeline) lead(ex *exchange.Exchange, ps *passage) {
	if ps.snapshot == nil {
		answer(ex, problem.New(http.StatusServiceUnavailable, "stopping", "the gateway is stopping"))
		return
	}
	if refusal := p.resolveVersion(ex, ps.snapshot); refusal != nil {
		answer(ex, refusal)
		return
	}
	r := &ex.Request
	index := ps.snapshot.Router.Lookup(r.HostName(), askedMethod(r), r.Path)
	if index == router.None {
		p.noRoute(ex, ps.snapshot)
		return
	}
	ps.route = &ps.snapshot.Routes[index]
	ex.Route = ps.route.Config.Name
	failed := p.request(ex, ps)
	p.response(ex, ps, failed)
}

// request runs the request's half and leaves an answer in ex.Response. failed
// is true where the upstream gave none.
func (p *pipeline) request(ex *exchange.Exchange, ps *passage) (failed bool) {
	r := &ex.Request
	before := target{r.Method, r.Host, r.RawPath, r.Path}
	answered, err := ps.route.Chain.HandleRequest(ex.Context(), ex, &ps.run, p.filterSkipped)
	if err != nil {
		p.filterFailed(ex, err)
		return false
	}
	if answered {
		ps.answered = true
		return false
	}
	if refusal := p.enforce(ex, ps.route.Config.Require); refusal != nil {
		answer(ex, refusal)
		return false
	}
	if after := (target{r.Method, r.Host, r.RawPath, r.Path}); after != before {
		if refusal := p.enforceRewritten(ex, ps, before); refusal != nil {
			answer(ex, refusal)
			return false
		}
	}
	if refusal := ps.route.Body.Check(ex); refusal != nil {
		answer(ex, refusal)
		return false
	}
	if ps.route.Upstream == nil {
		respond(ex, ps.route.Config.Respond)
		return false
	}
	if err := ps.route.Upstream.Forward(ex, ps.route.Config.Timeout); err != nil {
		p.upstreamFailed(ex, err)
		return true
	}
	return false
}

// response runs the response's half.
func (p *pipeline) response(ex *exchange.Exchange, ps *passage, failed bool) {
	ex.ApplyDeferred()
	if err := ps.run.HandleResponse(ex.Context(), ex, failed, p.filterSkipped); err != nil {
		p.filterFailed(ex, err)
	}
	ex.ApplyDeferred()
	p.challenge.complete(&ex.Response, ps.answered)
	if ex.Response.Status == 0 {
		// A filter that claims to have answered and has not.
		answer(ex, problem.New(http.StatusServiceUnavailable, "filter_failed", ""))
	}
}

// resolveVersion gives the request the path that its version has routes for.
func (p *pipeline) resolveVersion(ex *exchange.Exchange, s *reload.Snapshot) *problem.Problem {
	rest := func(index int, version string) bool { return s.Routes[index].Config.Path == "/"+version+"/*" }
	resolved, refusal := s.Versions.Resolve(&ex.Request, askedMethod(&ex.Request), s.Router, rest)
	if resolved.Version != "" && s.Config.Versions.Header != "" {
		ex.DeferResponseHeader(exchange.HeaderChange{Op: exchange.HeaderSet, Name: s.Config.Versions.Header, Value: resolved.Version})
		if resolved.ByHeader {
			ex.DeferResponseHeader(exchange.HeaderChange{Op: exchange.HeaderMerge, Name: "Vary", Value: s.Config.Versions.Header})
		}
	}
	return refusal
}

// target is what of a request decides about its route.
type target struct{ method, host, rawPath, path string }

// enforceRewritten demands also what the route demands that the request would
// have matched as the filters left it, so that no rewrite leads around a
// requirement.
func (p *pipeline) enforceRewritten(ex *exchange.Exchange, ps *passage, before target) *problem.Problem {
	r := &ex.Request
	uri := r.URI()
	if r.RawPath == before.rawPath && r.Path != before.path {
		uri = escapePath(r.Path)
		if r.Query != "" {
			uri += "?" + r.Query
		}
	}
	// The upstream is sent RawPath: what is enforced must be what it reads.
	if err := errors.Join(r.SetURI(uri), r.SetHost(r.Host)); err != nil {
		return problem.New(http.StatusBadRequest, "ambiguous_target", "a filter made an ambiguous request target")
	}
	index := ps.snapshot.Router.Lookup(r.HostName(), r.Method, r.Path)
	if index == router.None {
		return nil
	}
	return p.enforce(ex, ps.snapshot.Routes[index].Config.Require)
}

// askedMethod is the method that a route is looked for: a preflight belongs to
// the route of the method that it asks about.
func askedMethod(r *exchange.Request) string {
	if r.Method == http.MethodOptions && r.Header.Has("Origin") {
		if m := r.Header.Get("Access-Control-Request-Method"); m != "" {
			return m
		}
	}
	return r.Method
}

// Done tells log and metrics, and gives the snapshot back.
func (p *pipeline) Done(ex *exchange.Exchange, sentBytes int64) {
	ps, _ := ex.Pipeline.(*passage)
	if ps == nil {
		return // it panicked before it began
	}
	ps.run.Release()
	p.observe(ex, ps, sentBytes)
	p.metrics.inFlight.Dec()
	if ps.snapshot != nil {
		ps.snapshot.Release()
	}
	*ps = passage{run: ps.run}
	p.passages.Put(ps)
}
