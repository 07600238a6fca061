package filter

import (
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
	"gatehouse.example/sdk/filter/internal/jsonconf"
)

// Handler is a filter. One value serves one request at a time.
type Handler interface {
	// HandleRequest looks at a request and changes or answers it.
	HandleRequest(r *Request) Action
}

// ResponseHandler is a filter with a response phase. The same value sees the
// request and then its response; no other request comes between.
type ResponseHandler interface {
	Handler
	// HandleResponse looks at the response to r and changes it. What r returns
	// is what it was in HandleRequest.
	HandleResponse(r *Request, w *Response)
}

// Action is what happens to a request after a filter.
type Action uint8

const (
	// Next hands the request to the next filter, at last to the upstream.
	Next Action = iota
	// Stop ends the request with the filter's answer. Return what [Request.Reply]
	// or [Request.Problem] returns rather than Stop itself: Stop without an answer
	// panics, and the client gets 503.
	Stop
)

// Registration is a filter that a module offers.
type Registration struct {
	name          string
	grants        []string
	responsePhase bool
	schema        func() []byte
	start         func(s *Setup, config []byte) (Handler, error)
}

// Option adds to a registration.
type Option func(*Registration)

// Needs names grants that the filter cannot work without. The gateway refuses
// to start the filter where the operator has not listed them under "grants",
// and says which are missing:
//
//	jwt                    [Setup.Tokens]
//	key                    [Setup.Keys]
//	headers.authorization  Authorization, Proxy-Authorization, X-API-Key
//	headers.cookie         Cookie, Set-Cookie
//	headers.sensitive      both
//	body.request           [Request.ReadBody], [Request.WriteBody]
//	body.response          [Response.ReadBody], [Response.WriteBody]
//	body                   both
//	kv                     the filter's memory over requests
//	metrics                counters
//	http                   calls to what the operator lists
//
// Ask for as little as possible: the operator reads the list. What a filter
// can do without, it leaves out and looks at the status instead. Needs panics
// where there is no such grant.
func Needs(grants ...string) Option {
	for _, g := range grants {
		if !slices.Contains(filterv1.Grants(), g) {
			panic("filter: Needs(\"" + g + "\"): there is no such grant; there are " + strings.Join(filterv1.Grants(), ", "))
		}
	}
	return func(r *Registration) { r.grants = append(r.grants, grants...) }
}

// Define describes a filter: its name, how it is made from its configuration,
// and what it needs. C is the type of the configuration; JSON is read into it
// strictly, by its json tags. These tags go into the filter's JSON Schema, and are
// checked before newFilter sees the configuration:
//
//	doc:"text"       what it is, for people
//	required:"true"  it has to be there
//	default:"1"      its value where it is not there (JSON, or a string's text)
//	enum:"a,b"       the only values of a string, or of a list's strings
//	min:"1" max:"9"  bounds of a number, of a string's length in characters, or
//	                 of the number of elements
//	pattern:"^a"     a regular expression for a string or a list's strings,
//	                 which the gateway alone checks
//
// newFilter is called once per instance. Its error is shown to the operator and
// begins with the field's path: "config/limits/0/rate: want at least 1". The
// gateway turns that into file, line and column.
func Define[C any, F Handler](name string, newFilter func(s *Setup, config C) (F, error), options ...Option) *Registration {
	_, responds := any(*new(F)).(ResponseHandler)
	r := &Registration{
		name:          name,
		responsePhase: responds,
		schema:        func() []byte { return jsonconf.Schema(reflect.TypeFor[C]()) },
		start: func(s *Setup, config []byte) (Handler, error) {
			var c C
			if err := jsonconf.Decode(config, &c); err != nil {
				return nil, errors.New("config" + err.Error()) // it begins with a JSON Pointer or a colon
			}
			return newFilter(s, c)
		},
	}
	for _, o := range options {
		o(r)
	}
	if err := jsonconf.Check(reflect.TypeFor[C]()); err != nil {
		panic("filter: the configuration of " + name + ": " + err.Error())
	}
	return r
}

// registered is the module's one filter. A WebAssembly module has no main that
// could hand it over, so it has to be a variable.
var registered *Registration

// Register makes the filter the one of this module. Call it once, from a
// package variable:
//
//	var _ = filter.Register("hello", New)
func Register[C any, F Handler](name string, newFilter func(s *Setup, config C) (F, error), options ...Option) *Registration {
	if registered != nil {
		panic("filter: Register is called twice: " + registered.name + " and " + name)
	}
	registered = Define(name, newFilter, options...)
	return registered
}

// Registered returns what the module has handed to [Register], or nil. It is for
// filtertest; a filter's author never needs it.
func Registered() *Registration { return registered }

// Describe returns the description that the gateway reads: name, response
// phase, needed grants and the JSON Schema of the configuration.
func (r *Registration) Describe() []byte {
	b := jsonconf.AppendString([]byte(`{"name":`), r.name)
	b = strconv.AppendBool(append(b, `,"response_phase":`...), r.responsePhase)
	b = append(b, `,"grants":[`...)
	for i, g := range r.grants {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsonconf.AppendString(b, g)
	}
	b = append(append(b, `],"config_schema":`...), r.schema()...)
	return append(b, '}')
}
