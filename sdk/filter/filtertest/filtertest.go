// Package filtertest runs a filter natively in go test, on a gateway in
// memory:
//
//	func TestHello(t *testing.T) {
//		f := filtertest.New(t, New, Config{Header: "X-Hi"})
//		result := f.Do(filtertest.Request{Method: "GET", URI: "/"})
//		if result.Header.Get("X-Hi") != "hello" {
//			t.Error(result)
//		}
//	}
//
// The gateway in memory keeps the ABI's rules: changes are made all or none,
// credentials are hidden, limits are counted. What it leaves to the real one
// is the checking of credentials: a test says what a token or key is worth.
package filtertest

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"testing"
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
	"gatehouse.example/sdk/filter"
)

// Filter is a started filter on a gateway in memory. It is for one goroutine.
type Filter struct {
	t        testing.TB
	gateway  *gateway
	instance *filter.Instance
}

// Option changes the gateway in memory.
type Option func(*gateway)

// Grant grants capabilities, for example "headers.sensitive". The grants that
// the filter names with filter.Needs are granted.
func Grant(names ...string) Option {
	return func(g *gateway) {
		for _, n := range names {
			g.grants[n] = true
		}
	}
}

// Token says what the access token is worth: [filter.StatusOK] makes p the
// principal.
func Token(token string, status filter.Status, p Principal) Option {
	return func(g *gateway) { g.tokens[token] = verdict{status, p} }
}

// Key says what the API key is worth.
func Key(key string, status filter.Status, p Principal) Option {
	return func(g *gateway) { g.keys[key] = verdict{status, p} }
}

// New starts a filter made by newFilter from config, which may be a value of
// the configuration's type or JSON as a string. It fails the test where the
// filter refuses it; see [Start].
func New[C any, F filter.Handler](t testing.TB, newFilter func(*filter.Setup, C) (F, error), config any, options ...Option) *Filter {
	t.Helper()
	f, err := Start(t, filter.Define(t.Name(), newFilter), config, options...)
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
	var about struct {
		Grants []string `json:"grants"`
	}
	if err := json.Unmarshal(r.Describe(), &about); err != nil {
		t.Fatalf("the filter's description is not JSON: %v", err)
	}
	Grant(about.Grants...)(g)
	Grant(filterv1.GrantToken, filterv1.GrantKey)(g)
	for _, o := range options {
		o(g)
	}
	i, err := filter.Start(g, r)
	if err != nil {
		return nil, err
	}
	g.started = true
	return &Filter{t, g, i}, nil
}

// Advance moves the gateway's clock, which limits count by.
func (f *Filter) Advance(d time.Duration) { f.gateway.now += d }

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
	Kind, Subject, ClientID, SessionID, TokenID, Scope, Roles, Credential string
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
	// Response is what the client gets.
	Response
}

// Do sends a request through the filter and, where it goes on, the upstream's
// response back.
func (f *Filter) Do(r Request) Result {
	f.t.Helper()
	g := f.gateway
	g.begin(r)
	result := Result{}
	if f.instance.HandleRequest() == filter.Stop || g.answered {
		result.Answered = true
	} else {
		g.respond()
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
