// Package exchange owns the gateway's own model of one request and its
// response, on their way from a listener through filters to an upstream and
// back. Router, filters, validation and proxy see an [Exchange] and nothing of
// the HTTP library below; a listener translates.
//
// It leaves reading from sockets to gateway/listener and every decision to the
// packages that a request passes through.
package exchange

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"time"

	"gatehouse.example/internal/identity"
)

// Exchange is one request and its response. It belongs to one goroutine at a
// time and is valid until the listener has sent the response; what must live
// longer is copied. Strings in it are ordinary Go strings and may be kept.
type Exchange struct {
	// Request is what the client sent, as filters have changed it.
	Request Request
	// Response is what the client will get.
	Response Response

	// Route is the name of the matched route.
	Route string
	// RequestID is set by the listener: the client's X-Request-Id where it is
	// well formed, else a new UUIDv7.
	RequestID string
	// Principal is who acts; its zero value is nobody. Only the host
	// capabilities jwt_verify and key_verify set it.
	Principal identity.Principal
	// Credential is a SHA-256 of the credential that Principal was made from:
	// the cache key of the internal token. It is never the credential itself.
	Credential [32]byte
	// Challenge begins the WWW-Authenticate field of a refusal (RFC 9110 §11.6.1)
	// where the filter that looks for tokens knows better than the gateway; ""
	// is the gateway's own.
	Challenge string
	// Pipeline is what the gateway's pipeline keeps from one stage to the
	// next; listeners and filters leave it alone.
	Pipeline any

	ctx        context.Context
	attributes []attribute
	deferred   []HeaderChange
	hidden     []string // names of query parameters with credentials
	scratch    []byte
	taken      Room
}

type attribute struct{ name, value string }

// Context is cancelled when the client has hung up or the gateway gives the
// request up. It is never nil.
func (e *Exchange) Context() context.Context {
	if e.ctx == nil {
		return context.Background()
	}
	return e.ctx
}

// SetContext replaces the context; for listeners and deadlines.
func (e *Exchange) SetContext(ctx context.Context) { e.ctx = ctx }

// Attribute returns a value that an earlier filter left for later ones, and
// whether there is one.
func (e *Exchange) Attribute(name string) (string, bool) {
	for i := range e.attributes {
		if e.attributes[i].name == name {
			return e.attributes[i].value, true
		}
	}
	return "", false
}

// SetAttribute leaves a value for later filters and the access log. For what a
// filter sets, room is taken first.
func (e *Exchange) SetAttribute(name, value string) {
	for i := range e.attributes {
		if e.attributes[i].name == name {
			e.attributes[i].value = value
			return
		}
	}
	e.attributes = append(e.attributes, attribute{name, value})
}

// DeferResponseHeader records a change that is made to the response's header
// when there is one, whoever answers: upstream, a later filter or the host.
func (e *Exchange) DeferResponseHeader(c HeaderChange) { e.deferred = append(e.deferred, c) }

// ApplyDeferred makes the deferred changes, in the order in which they were
// recorded, and forgets them.
func (e *Exchange) ApplyDeferred() {
	for i := range e.deferred {
		e.deferred[i].Apply(&e.Response.Header)
	}
	e.deferred = e.deferred[:0]
}

// maxScratchBytes is how much memory for bodies an exchange keeps for its next
// request.
const maxScratchBytes = 64 << 10

// Scratch returns n bytes of undefined content that are valid as long as the
// exchange is and belong to the caller. Only the last call's bytes are.
func (e *Exchange) Scratch(n int) []byte {
	if n > maxScratchBytes {
		return make([]byte, n)
	}
	if cap(e.scratch) < n {
		e.scratch = make([]byte, max(n, 4<<10))
	}
	return e.scratch[:n]
}

// Reset makes the exchange ready for another request and keeps its memory.
func (e *Exchange) Reset() {
	e.Request.reset()
	e.Response.reset()
	e.Route, e.RequestID, e.Challenge = "", "", ""
	e.Principal = identity.Principal{}
	e.Credential = [32]byte{}
	e.ctx = nil
	e.Pipeline = nil
	clear(e.attributes)
	e.attributes = e.attributes[:0]
	clear(e.deferred)
	e.deferred = e.deferred[:0]
	e.hidden = e.hidden[:0]
	e.taken = Room{}
}

// Request is the client's request.
type Request struct {
	// Method is the request method as received, case preserved.
	Method string
	// Scheme is "http" or "https", as the listener knows it.
	Scheme string
	// Host is the Host header (or :authority).
	Host string
	// Path is the decoded, cleaned path that routing and requirements see.
	Path string
	// RawPath is the path as received, still percent-encoded.
	RawPath string
	// Query is the raw query without "?".
	Query string
	// Proto is "HTTP/1.1" or "HTTP/2.0".
	Proto string
	// Header holds the request's header fields without Host.
	Header Header
	// Trailer holds the request's trailers once Body is read to its end.
	Trailer Header
	// TrailerNames are those that the client has announced, separated by commas.
	TrailerNames string
	// Source is the peer's address, or what a trusted proxy says it is.
	Source netip.AddrPort
	// Body is the request's body.
	Body Body
	// Received is when the head was complete.
	Received time.Time
}

// URI returns the request target in origin form: RawPath and Query.
func (r *Request) URI() string {
	if r.Query == "" {
		return r.RawPath
	}
	return r.RawPath + "?" + r.Query
}

func (r *Request) reset() {
	h, t := r.Header, r.Trailer
	h.Reset()
	t.Reset()
	*r = Request{Header: h, Trailer: t}
}

// Response is what the client gets.
type Response struct {
	// Status is the status code; zero means that nobody has answered yet.
	Status int
	// Header holds the response's header fields.
	Header Header
	// Trailer holds the response's trailers once Body is read to its end.
	Trailer Header
	// TrailerNames are those that the upstream has announced, separated by
	// commas.
	TrailerNames string
	// Body is the response's body.
	Body Body
	// Close is true where the client's connection must not be used for another
	// request, because the rest of this one is still under way.
	Close bool
}

func (r *Response) reset() {
	h, t := r.Header, r.Trailer
	h.Reset()
	t.Reset()
	*r = Response{Header: h, Trailer: t}
}

// ErrBodyTooLarge is what reading a request's body returns once it is larger
// than the route allows.
var ErrBodyTooLarge = errors.New("request body too large")

// ErrResponseBroken is what reading a response's body returns where the
// upstream breaks off: nobody else's fault, whoever reads it.
var ErrResponseBroken = errors.New("the upstream's response broke off")

// Body is a message body: bytes that are there, or a stream.
type Body struct {
	// Bytes is the whole body where it is buffered; Stream is nil then.
	Bytes []byte
	// Stream is the body where it is not buffered. Whoever replaces it closes
	// it.
	Stream io.ReadCloser
	// Length is the declared length in bytes, or -1 where it is not known
	// (chunked). It means nothing where Bytes is set.
	Length int64

	was *Body // before Replace
}

// Empty reports whether there is no body at all.
func (b *Body) Empty() bool { return b.Stream == nil && len(b.Bytes) == 0 }

// SetBytes replaces the body by buffered bytes and closes a stream.
func (b *Body) SetBytes(p []byte) {
	b.Close()
	b.Bytes, b.Length = p, int64(len(p))
}

// Close closes the stream, if there is one.
func (b *Body) Close() {
	if b.Stream != nil {
		_ = b.Stream.Close()
		b.Stream = nil
	}
}
