// Package config owns the gateway's configuration file: its YAML shape, its
// defaults, and every check that needs nothing but the file and the files it
// names. Each error says file, line and column.
//
// It builds nothing: whether a module compiles or a filter accepts its
// configuration is found out by gateway/reload, and addresses that the command
// line overrides are the business of gateway/app.
package config

import (
	"net/netip"
	"time"

	"gatehouse.example/gateway/filter"
)

// Gateway is a checked configuration. It is read only.
type Gateway struct {
	// File is the path it was read from.
	File string
	// SHA256 is the digest of the file's bytes.
	SHA256 [32]byte
	// Listeners are the addresses to serve.
	Listeners []Listener
	// Limits bound what a client may use.
	Limits Limits
	// TrustedProxies are the networks whose X-Forwarded-For tells the client's
	// address; empty believes nobody.
	TrustedProxies []netip.Prefix
	// Versions says how requests name a version of the APIs; nil: not at all.
	Versions *Versions
	// Filters are ordered by name.
	Filters []filter.Spec
	// Upstreams are ordered by name.
	Upstreams []Upstream
	// Routes are in the order of the file.
	Routes []Route
	// Files are the absolute paths of the files it names (schemas, modules,
	// certificates): a change of one is a change of the configuration.
	Files []string

	places places
}

// Listener is one address to serve.
type Listener struct {
	// Address is host:port; port 0 takes a free one.
	Address string
	// TLS says how to serve TLS; nil serves plain HTTP.
	TLS *TLS
}

// TLS says where a listener's certificate comes from.
type TLS struct {
	// Mode is "dev" (the certificate that the development authority issued)
	// or "file".
	Mode string
	// Certificate and Key are absolute paths of PEM files, for mode file.
	Certificate, Key string
}

// Versions says which versions of the APIs there are, each with routes whose
// path begins with it, and how a request names one elsewhere.
type Versions struct {
	// Known are the versions: "v1", "v2".
	Known []string
	// Default is that of a request that names none; "" gives it none.
	Default string
	// Header is the field that names one; "" is no field.
	Header string
}

// Limits bound what a client may use.
type Limits struct {
	// MaxBodyBytes is the largest body of a route that sets none of its own.
	MaxBodyBytes int64
	// MaxHeadBytes is the largest request head.
	MaxHeadBytes int
	// HeadTimeout ends a connection that does not finish its head in time.
	HeadTimeout time.Duration
	// IdleTimeout ends a kept-alive connection without a request.
	IdleTimeout time.Duration
	// BodyTimeout ends a request whose body, or a response whose reader,
	// stands still for so long.
	BodyTimeout time.Duration
	// MaxConnections is the number of connections at a time.
	MaxConnections int
	// DrainTimeout is how long a stopping gateway waits for requests.
	DrainTimeout time.Duration
}

// Balance names how an upstream's targets share its requests.
type Balance string

// The ways to balance.
const (
	RoundRobin   Balance = "round_robin"
	LeastRequest Balance = "least_request"
)

// Upstream is where requests go.
type Upstream struct {
	// Name is the key under "upstreams".
	Name string
	// Targets has at least one element; all have one Kind.
	Targets []Target
	// Balance chooses a target.
	Balance Balance
	// Health is the active check; nil means none.
	Health *Health
	// IdentityToken sends the internal token of the principal. It is always
	// set for services, unless ForwardAuthorization is.
	IdentityToken bool
	// ForwardAuthorization sends the client's own Authorization field.
	ForwardAuthorization bool
	// Timeouts bound the single steps.
	Timeouts Timeouts
	// MaxIdleConnections is how many idle connections a target keeps.
	MaxIdleConnections int
	// Optional says that the gateway is ready without this service.
	Optional bool
}

// Service reports whether the upstream is one of Gatehouse's own services.
func (u *Upstream) Service() bool { return u.Targets[0].Service != "" }

// Target is one address of an upstream.
type Target struct {
	// Service is the name of a Gatehouse service, reached by mutual TLS, or "".
	Service string
	// Address is host:port where Service is "".
	Address string
	// Host is the Host field to send where Service is "".
	Host string
	// TLS is true for https.
	TLS bool
}

// String returns the target as in the file.
func (t Target) String() string {
	switch {
	case t.Service != "":
		return "service:" + t.Service
	case t.TLS:
		return "https://" + t.Address
	}
	return "http://" + t.Address
}

// Health is an active health check.
type Health struct {
	// Path is requested with GET; 2xx is healthy.
	Path string
	// Interval is the time between checks.
	Interval time.Duration
}

// Timeouts bound the steps of an upstream request. Zero is no bound.
type Timeouts struct {
	// Connect bounds dialling and the TLS handshake.
	Connect time.Duration
	// Header bounds the wait for the response head once the request is sent.
	Header time.Duration
	// Idle bounds each pause within the response body.
	Idle time.Duration
}

// Route is one kind of request and what happens to it.
type Route struct {
	// Name is unique in the file.
	Name string
	// Host is the exact host name, or "" for any.
	Host string
	// Path is the pattern as gateway/router reads it.
	Path string
	// Methods is empty for any.
	Methods []string
	// Filters are names of filters, in the order of their calls.
	Filters []string
	// Require is what the principal needs; nil leaves the route open.
	Require *Require
	// Body says which bodies may pass.
	Body Body
	// Upstream is the name of an upstream, or "" where Respond is set.
	Upstream string
	// Respond is a fixed answer.
	Respond *Respond
	// Timeout bounds the whole exchange; zero is no bound.
	Timeout time.Duration
}

// Require is what the principal of a request needs. Anything asked for implies
// Authenticated.
type Require struct {
	// Scopes must all be there.
	Scopes []string
	// Roles: one of them must be there.
	Roles []string
	// Authenticated asks for somebody.
	Authenticated bool
}

// Body says which bodies may pass.
type Body struct {
	// MaxBytes is the largest body.
	MaxBytes int64
	// ContentTypes are the media types allowed; empty allows any.
	ContentTypes []string
	// Schema is the absolute path of a JSON Schema, or "".
	Schema string
}

// Respond is a fixed answer.
type Respond struct {
	// Status is the status code.
	Status int
	// Body is sent as it is; empty together with a status of 400 or more
	// sends a problem.
	Body string
	// ContentType is the media type of Body.
	ContentType string
}

// DefaultLimits are the limits where the file says nothing.
func DefaultLimits() Limits {
	return Limits{
		MaxBodyBytes: 1 << 20, MaxHeadBytes: 16 << 10,
		HeadTimeout: 10 * time.Second, IdleTimeout: 75 * time.Second, BodyTimeout: time.Minute,
		MaxConnections: 16384, DrainTimeout: 10 * time.Second,
	}
}

func defaultTimeouts() Timeouts {
	return Timeouts{Connect: 3 * time.Second, Header: 30 * time.Second, Idle: 5 * time.Minute}
}
