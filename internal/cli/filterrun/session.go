package filterrun

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	kitv1 "gatehouse.example/pluginspec/filter/kit/v1"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/filter"
	"gatehouse.example/gateway/wasm"
	"gatehouse.example/gateway/wasm/capability"
	"gatehouse.example/gateway/wasm/inspect"
	"gatehouse.example/internal/identity"
)

// logLines is how many lines a second a filter may log while it is tried.
const logLines = 10_000

// Session is one started filter. It is for one goroutine.
type Session struct {
	host    *wasm.Host
	filter  filter.Filter
	clock   clock
	logs    lines
	known   credentials
	started kitv1.Started

	registry *prometheus.Registry
}

// clock is the host's: it stands still unless it is moved.
type clock struct {
	start time.Time
	past  atomic.Int64 // nanoseconds
}

func (c *clock) since() time.Duration { return time.Duration(c.past.Load()) }
func (c *clock) now() time.Time       { return c.start.Add(c.since()) }

// Options say where sessions keep things.
type Options struct {
	// CacheDir is where compiled modules are kept; empty keeps nothing.
	CacheDir string
}

// RefusedError says that a filter does not start.
type RefusedError struct {
	err error
	// Logs are what the filter has logged or printed before.
	Logs []string
}

// Error is the filter's or the host's reason.
func (e *RefusedError) Error() string { return e.err.Error() }

// Unwrap returns the reason.
func (e *RefusedError) Unwrap() error { return e.err }

// Open starts the filter of the module in a file.
//
// # Errors
//
// A [*RefusedError] where the module or the filter says no; else the file
// cannot be read or the host does not start.
func Open(ctx context.Context, module string, start kitv1.Start, o Options) (*Session, error) {
	binary, err := os.ReadFile(module)
	if err != nil {
		return nil, err
	}
	s := &Session{registry: prometheus.NewRegistry()}
	s.clock.start = time.Now()
	s.known.add(start)
	s.host, err = wasm.New(ctx, wasm.Options{
		CacheDir: o.CacheDir,
		Builtin:  func(string) ([]byte, error) { return binary, nil },
		Limiter:  capability.NewLimiter(capability.LimiterOptions{Now: s.clock.since}),
		Tokens:   newTokens(&s.known), Keys: newKeys(&s.known),
		Logger: slog.New(&s.logs), Registry: s.registry, Now: s.clock.now,
	})
	if err != nil {
		return nil, err
	}
	if err := s.start(ctx, binary, start); err != nil {
		if refused, ok := errors.AsType[*RefusedError](err); ok {
			refused.Logs = s.logs.take()
		}
		return nil, errors.Join(err, s.Close(ctx))
	}
	return s, nil
}

func (s *Session) start(ctx context.Context, binary []byte, start kitv1.Start) error {
	about, err := s.host.Describe(ctx, binary)
	if err != nil {
		return &RefusedError{err: err}
	}
	grants := start.Grants
	if start.GrantNeeds {
		needs := about.Grants
		if !about.Described {
			// A plain http-wasm handler: what its imports do not work without.
			report, err := inspect.Module(ctx, s.host, "module", binary)
			if err != nil {
				return &RefusedError{err: err}
			}
			needs = report.Grants
		}
		grants = slices.Concat(grants, needs)
	}
	f, err := s.host.Build(ctx, filter.Spec{
		Name: cmp.Or(about.Name, "filter"), Module: "builtin:filter", Config: start.Config, Grants: grants,
		// One instance, so that a test sees what one request leaves to the next.
		Limits: filter.Limits{Instances: 1, LogLines: logLines},
		HTTP:   filter.HTTP{Allow: start.HTTPAllow},
	})
	if err != nil {
		return &RefusedError{err: err}
	}
	s.filter = f
	s.started = kitv1.Started{Name: about.Name, ResponsePhase: about.ResponsePhase, Needs: about.Grants}
	return nil
}

// Started says what was started.
func (s *Session) Started() kitv1.Started { return s.started }

// Advance moves the host's clock on.
func (s *Session) Advance(d time.Duration) { s.clock.past.Add(int64(d)) }

// Close frees everything.
func (s *Session) Close(ctx context.Context) error {
	var err error
	if s.filter != nil {
		err = s.filter.Close(ctx)
	}
	return errors.Join(err, s.host.Close(ctx))
}

// Do leads a request through the filter and, where it goes on, the upstream's
// response back, as the gateway does.
//
// # Errors
//
// The request itself is malformed. That the filter fails is no error but
// Result.Trap.
func (s *Session) Do(ctx context.Context, r kitv1.Request) (kitv1.Result, error) {
	ex := &exchange.Exchange{}
	if err := fill(ex, r); err != nil {
		return kitv1.Result{}, err
	}
	s.logs.take()
	s.known.last = r.Principal.Credential
	result := kitv1.Result{}
	began := time.Now()
	err := s.lead(ctx, ex, r.Response, &result)
	result.DurationNS = int64(time.Since(began))
	result.Counters = counters(s.registry)
	result.Request, result.Response = request(ex, s.known.last), response(&ex.Response)
	if err != nil {
		result.Trap, result.Response = err.Error(), kitv1.Response{Status: http.StatusServiceUnavailable}
	}
	result.Logs = s.logs.take()
	return result, nil
}

func (s *Session) lead(ctx context.Context, ex *exchange.Exchange, upstream *kitv1.Response, out *kitv1.Result) error {
	did, err := s.filter.HandleRequest(ctx, ex)
	out.Answered, out.Fuel = did.Answered, did.Usage.Fuel
	if err != nil {
		return err
	}
	if !did.Answered {
		respond(&ex.Response, upstream)
	}
	ex.ApplyDeferred()
	if did.Response == nil {
		return nil
	}
	usage, err := did.Response.HandleResponse(ctx, ex, false)
	out.Fuel += usage.Fuel
	ex.ApplyDeferred()
	return err
}

func fill(ex *exchange.Exchange, in kitv1.Request) error {
	r := &ex.Request
	r.Method, r.Scheme, r.Host, r.Proto = cmp.Or(in.Method, http.MethodGet), "http", "localhost", "HTTP/1.1"
	if err := r.SetURI(cmp.Or(in.URI, "/")); err != nil {
		return fmt.Errorf("uri %q: %w", in.URI, err)
	}
	source, err := netip.ParseAddr(cmp.Or(in.Source, "192.0.2.1"))
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	r.Source = netip.AddrPortFrom(source, 40000)
	for _, name := range slices.Sorted(maps.Keys(in.Header)) {
		for _, v := range in.Header[name] {
			r.Header.Add(name, v)
		}
	}
	r.Body.SetBytes(in.Body)
	ex.Route, ex.RequestID = in.Route, "0197a0aa-0000-7000-8000-000000000001"
	ex.Principal = principal(in.Principal)
	for _, name := range slices.Sorted(maps.Keys(in.Attributes)) {
		ex.SetAttribute(name, in.Attributes[name])
	}
	return nil
}

func respond(r *exchange.Response, in *kitv1.Response) {
	if in == nil {
		in = &kitv1.Response{}
	}
	r.Status = cmp.Or(in.Status, http.StatusOK)
	for _, name := range slices.Sorted(maps.Keys(in.Header)) {
		for _, v := range in.Header[name] {
			r.Header.Add(name, v)
		}
	}
	r.Body.SetBytes(in.Body)
}

func request(ex *exchange.Exchange, credential string) kitv1.Request {
	r := &ex.Request
	out := kitv1.Request{
		Method: r.Method, URI: r.URI(), Source: r.Source.Addr().String(), Route: ex.Route, Header: header(&r.Header),
		Body: body(&r.Body), Attributes: map[string]string{},
	}
	for name, value := range ex.Attributes() {
		if !strings.HasPrefix(name, "\x00") {
			out.Attributes[name] = value
		}
	}
	if p := ex.Principal; p.Authenticated() {
		out.Principal = kitv1.Principal{
			Kind: string(p.Kind), Subject: p.Subject, ClientID: p.ClientID, SessionID: p.SessionID, TokenID: p.TokenID,
			Scope: strings.Join(p.Scopes, " "), Roles: strings.Join(p.Roles, " "), Credential: credential,
		}
	}
	return out
}

func response(r *exchange.Response) kitv1.Response {
	return kitv1.Response{Status: r.Status, Header: header(&r.Header), Body: body(&r.Body)}
}

func header(h *exchange.Header) map[string][]string {
	m := http.Header{}
	for i := range h.Len() {
		f := h.At(i)
		m.Add(f.Name, f.Value)
	}
	return m
}

// body reads what a filter has left as a stream, too.
func body(b *exchange.Body) []byte {
	if b.Stream == nil {
		return b.Bytes
	}
	data, err := readAll(b.Stream)
	if err != nil {
		return nil
	}
	return data
}

func principal(p kitv1.Principal) identity.Principal {
	return identity.Principal{
		Kind: identity.Kind(p.Kind), Subject: p.Subject, ClientID: p.ClientID, SessionID: p.SessionID, TokenID: p.TokenID,
		Scopes: strings.Fields(p.Scope), Roles: strings.Fields(p.Roles),
	}
}

// counterMetric is the metric of what filters count by themselves.
const counterMetric = "gatehouse_filter_custom_total"

func counters(registry *prometheus.Registry) map[string]float64 {
	families, err := registry.Gather()
	if err != nil {
		return nil
	}
	all := map[string]float64{}
	for _, f := range families {
		if f.GetName() != counterMetric {
			continue
		}
		for _, one := range f.GetMetric() {
			for _, l := range one.GetLabel() {
				if l.GetName() == "name" {
					all[l.GetValue()] = one.GetCounter().GetValue()
				}
			}
		}
	}
	return all
}
