// Package filtertest tests a filter in go test: natively, on a gateway in
// memory, or as compiled WebAssembly on the gateway's own filter host. The same
// test body does both:
//
//	func TestHello(t *testing.T) {
//		for name, how := range map[string][]filtertest.Option{
//			"native":   nil,
//			"compiled": {filtertest.Compiled()},
//		} {
//			t.Run(name, func(t *testing.T) {
//				f := filtertest.New(t, New, Config{Header: "X-Hi"}, how...)
//				result := f.Do(filtertest.Request{Method: "GET", URI: "/"})
//				if result.Request.Header.Get("X-Hi") != "hello" {
//					t.Error(result)
//				}
//			})
//		}
//	}
//
// The gateway in memory keeps the ABI's rules: changes are made all or none,
// what is not granted is hidden, limits are counted on a clock that
// [Filter.Advance] moves. What it leaves to the real one is the checking of
// credentials: a test says what a token or key is worth. A native test is fast
// and can be debugged; a compiled one shows what the gateway will do: the JSON
// Schema's patterns, traps, and the fuel that a request burns.
//
// The protocol between this package and the gatehouse command is that of
// gatehouse.example/pluginspec/filter/kit/v1.
package filtertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"testing"
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
	"gatehouse.example/sdk/filter"
)

// Filter is a started filter. It is for one goroutine.
type Filter struct {
	t        testing.TB
	gateway  *gateway
	instance *filter.Instance
}

// Option changes the gateway of a test.
type Option func(*gateway)

// Grant grants capabilities, for example "headers.cookie", as the operator does.
// What the package's registration names with filter.Needs is granted, and
// nothing else is. A name that is no grant fails the test.
func Grant(names ...string) Option {
	return func(g *gateway) {
		g.t.Helper()
		for _, n := range names {
			if !slices.Contains(filterv1.Grants(), n) {
				g.t.Fatalf("grants: %q is unknown; there are %q", n, filterv1.Grants())
			}
			g.grants[n] = true
		}
	}
}

// Token says what the access token is worth: [filter.StatusOK] makes p the
// principal.
func Token(token string, status filter.Status, p Principal) Option {
	return Claims(token, status, p, nil)
}

// Claims is Token for one with claims: those that the filter's policy names
// become attributes "claim.NAME".
func Claims(token string, status filter.Status, p Principal, claims map[string]string) Option {
	return func(g *gateway) { g.tokens[token] = verdict{status, p, claims} }
}

// Key says what the API key is worth.
func Key(key string, status filter.Status, p Principal) Option {
	return func(g *gateway) { g.keys[key] = verdict{status: status, who: p} }
}

// New starts a filter made by newFilter from config, which may be a value of
// the configuration's type or JSON as a string. It fails the test where the
// filter refuses it; see [Start]. Granted is what the package under test names
// with filter.Needs where it registers its filter, natively as compiled.
func New[C any, F filter.Handler](t testing.TB, newFilter func(*filter.Setup, C) (F, error), config any, options ...Option) *Filter {
	t.Helper()
	var needs []string
	if r := filter.Registered(); r != nil {
		needs = needsOf(t, r)
	}
	f, err := Start(t, filter.Define(t.Name(), newFilter, filter.Needs(needs...)), config, options...)
	if err != nil {
		t.Fatalf("start filter: %v", err)
	}
	return f
}

// Start is New for a registration; it returns the filter's refusal.
func Start(t testing.TB, r *filter.Registration, config any, options ...Option) (*Filter, error) {
	t.Helper()
	text, err := configText(config)
	if err != nil {
		t.Fatal(err)
	}
	g := newGateway(t, text)
	Grant(needsOf(t, r)...)(g)
	for _, o := range options {
		o(g)
	}
	if g.compiled {
		if err := g.startCompiled(true); err != nil {
			return nil, err
		}
		return &Filter{t: t, gateway: g}, nil
	}
	i, err := filter.Start(g, r)
	if err != nil {
		return nil, err
	}
	g.started = true
	return &Filter{t, g, i}, nil
}

func needsOf(t testing.TB, r *filter.Registration) []string {
	t.Helper()
	var about struct {
		Grants []string `json:"grants"`
	}
	if err := json.Unmarshal(r.Describe(), &about); err != nil {
		t.Fatalf("the filter's description is not JSON: %v", err)
	}
	return about.Grants
}

// Advance moves the gateway's clock, which limits count by.
func (f *Filter) Advance(d time.Duration) {
	f.t.Helper()
	f.gateway.now += d
	if f.gateway.process != nil {
		if err := f.gateway.advanceCompiled(d); err != nil {
			f.t.Fatal(err)
		}
	}
}

// Request is a request to a filter. Its zero value is GET / from 192.0.2.1.
type Request struct {
	Method, URI string
	Header      http.Header
	Body        string
	Source      netip.Addr
	Route       string
	// Principal is who acts already, by an earlier filter.
	Principal Principal
	// Attributes are what earlier filters have left.
	Attributes map[string]string
	// Response is what the upstream answers; zero is an empty 200.
	Response Response
}

// Principal is who acts.
type Principal struct {
	// Kind is "user" or "client".
	Kind string
	// Subject is the user's or the client's id, and the others are what
	// filter.Request.Principal knows by like names.
	Subject, ClientID, SessionID, TokenID string
	// Scope and Roles are separated by spaces.
	Scope, Roles string
	// Credential is "token" or "key".
	Credential string
}

// Response is a response.
type Response struct {
	Status int
	Header http.Header
	Body   string
}

// Result is what became of a request.
type Result struct {
	// Answered is true where the filter has answered.
	Answered bool
	// Request is the request as the upstream, or the next filter, sees it.
	Request Request
	// Fuel is what a compiled filter burned, in units of which one is an operator
	// of WebAssembly; limits.fuel bounds it. It is 0 natively.
	Fuel int64
	// Response is what the client gets.
	Response
}

// TrapError says that the filter failed on a request: it panicked, broke the
// ABI, or used up what it may. The client gets 503 then.
type TrapError struct {
	// Reason is the first line of the failure.
	Reason string
}

// Error implements error.
func (e *TrapError) Error() string { return "the filter trapped: " + e.Reason }

// Do sends a request through the filter and, where it goes on, the upstream's
// response back. It fails the test where the filter traps; see [Filter.Try].
func (f *Filter) Do(r Request) Result {
	f.t.Helper()
	result, err := f.Try(r)
	if err != nil {
		f.t.Fatalf("%v; it has logged %q", err, f.gateway.logs)
	}
	return result
}

// Try is Do for a request on which the filter may trap.
//
// # Errors
//
// A [*TrapError].
func (f *Filter) Try(r Request) (result Result, err error) {
	f.t.Helper()
	if f.gateway.process != nil {
		result, err = f.gateway.doCompiled(r)
		var trap *TrapError
		if err != nil && !errors.As(err, &trap) {
			f.t.Fatal(err)
		}
		return result, err
	}
	defer func() {
		if cause := recover(); cause != nil {
			result.Status = http.StatusServiceUnavailable
			err = &TrapError{Reason: fmt.Sprint(cause)}
		}
	}()
	return f.native(r), nil
}

func (f *Filter) native(r Request) Result {
	g := f.gateway
	g.begin(r)
	result := Result{}
	if f.instance.HandleRequest() == filter.Stop || g.answered {
		result.Answered = true
	} else {
		g.respond()
		g.applyDeferred()
		f.instance.HandleResponse(false)
	}
	g.applyDeferred()
	result.Request, result.Response = g.request, g.response
	if result.Status == 0 {
		result.Status = http.StatusOK
	}
	return result
}

// Logs returns the lines that the filter has logged.
func (f *Filter) Logs() []string { return f.gateway.logs }
