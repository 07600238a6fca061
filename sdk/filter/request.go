package filter

import (
	"encoding/binary"
	"unsafe"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
	"gatehouse.example/sdk/filter/internal/host"
)

// Request is the request that a filter handles. Its strings are views: they
// are valid until the handler returns, and describe the request as it came to
// this filter, not what the filter has changed itself.
type Request struct {
	host   host.Host
	loaded bool

	method, uri, scheme, hostname, path, query, protocol string
	address                                              string
	ip                                                   [16]byte
	port                                                 uint32
	route, id                                            string

	fields  []byte  // the header, still encoded
	count   int     // number of its fields
	indexed bool    // whether header holds them
	header  []field // for iteration, filled on first use

	snapshot []byte // memory behind the strings
	ops      []byte // changes, applied in one crossing at the end
	scratch  []byte
	extra    []byte // memory behind Principal and Attribute
}

type field struct{ name, value string }

func newRequest(h host.Host) *Request {
	return &Request{
		host:     h,
		header:   make([]field, 0, 64),
		snapshot: make([]byte, 8<<10),
		ops:      make([]byte, 0, 2<<10),
		scratch:  make([]byte, 0, 1<<10),
		extra:    make([]byte, 1<<10),
	}
}

func (r *Request) reset() {
	r.loaded = false
	r.ops = r.ops[:0]
}

func view(p []byte) string { return unsafe.String(unsafe.SliceData(p), len(p)) }

// load fetches the whole head on first use, in one crossing.
func (r *Request) load() {
	if r.loaded {
		return
	}
	n := r.host.Snapshot(r.snapshot)
	for n > len(r.snapshot) {
		r.snapshot = make([]byte, n+n/2)
		n = r.host.Snapshot(r.snapshot)
	}
	d := filterv1.NewReader(r.snapshot[:n])
	if d.Uint8() != filterv1.SnapshotVersion {
		panic("filter: unknown version of the request snapshot")
	}
	r.method, r.uri, r.scheme = view(d.Bytes()), view(d.Bytes()), view(d.Bytes())
	r.hostname, r.path, r.query = view(d.Bytes()), view(d.Bytes()), view(d.Bytes())
	r.protocol, r.address, r.port = view(d.Bytes()), view(d.Bytes()), d.Uint32()
	copy(r.ip[:], d.Take(16))
	r.route, r.id = view(d.Bytes()), view(d.Bytes())
	r.count = int(d.Uint32())
	r.fields = d.Take(d.Len())
	r.indexed = false
	if !d.OK() {
		panic("filter: malformed request snapshot")
	}
	r.loaded = true
}

// index decodes the header for iteration. Looking up a few names is faster
// without.
func (r *Request) index() {
	r.load()
	if r.indexed {
		return
	}
	d := filterv1.NewReader(r.fields)
	r.header = r.header[:0]
	for range r.count {
		r.header = append(r.header, field{view(d.Bytes()), view(d.Bytes())})
	}
	if !d.OK() {
		panic("filter: malformed request snapshot")
	}
	r.indexed = true
}

// Method returns the request method.
func (r *Request) Method() string { r.load(); return r.method }

// URI returns the request target in origin form, as received.
func (r *Request) URI() string { r.load(); return r.uri }

// Scheme returns "http" or "https".
func (r *Request) Scheme() string { r.load(); return r.scheme }

// Host returns the host that was asked for, with the port if there was one.
func (r *Request) Host() string { r.load(); return r.hostname }

// Path returns the decoded, cleaned path: what routing has seen.
func (r *Request) Path() string { r.load(); return r.path }

// Query returns the raw query without "?".
func (r *Request) Query() string { r.load(); return r.query }

// Protocol returns "HTTP/1.1" or "HTTP/2.0".
func (r *Request) Protocol() string { r.load(); return r.protocol }

// SourceAddress returns the client's address without port, as trusted proxies
// tell it.
func (r *Request) SourceAddress() string { r.load(); return r.address }

// SourceIP returns the client's address as 16 bytes, IPv4 mapped into IPv6.
func (r *Request) SourceIP() [16]byte { r.load(); return r.ip }

// SourcePort returns the client's port.
func (r *Request) SourcePort() uint32 { r.load(); return r.port }

// Route returns the name of the matched route.
func (r *Request) Route() string { r.load(); return r.route }

// ID returns the request id.
func (r *Request) ID() string { r.load(); return r.id }

// Header returns the first value of the field, or "". Credentials
// (Authorization, Cookie, X-API-Key) are there only with the grant
// "headers.sensitive".
func (r *Request) Header(name string) string {
	v, _ := r.LookupHeader(name)
	return v
}

// LookupHeader returns the first value of the field, and whether it is there.
func (r *Request) LookupHeader(name string) (string, bool) {
	r.load()
	// By hand rather than with a Reader: this is what filters do most.
	p := r.fields
	for len(p) >= 4 {
		n := binary.LittleEndian.Uint32(p)
		found := int(n) == len(name) && equalFold(p[4:4+n], name)
		p = p[4+n:]
		n = binary.LittleEndian.Uint32(p)
		if found {
			return view(p[4 : 4+n]), true
		}
		p = p[4+n:]
	}
	return "", false
}

// HeaderLen returns the number of fields.
func (r *Request) HeaderLen() int { r.load(); return r.count }

// HeaderAt returns field i in the order received, its name in lower case.
func (r *Request) HeaderAt(i int) (name, value string) {
	r.index()
	return r.header[i].name, r.header[i].value
}

// equalFold compares a lower case name with any other of the same length.
func equalFold(lower []byte, name string) bool {
	for i := range len(name) {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// Principal returns a field of the one who acts: kind, sub, client_id, sid,
// jti, scope, roles, credential; false where nobody acts or the field is
// empty. The string is valid until the next call of Principal or Attribute.
func (r *Request) Principal(field string) (string, bool) {
	n := r.host.Principal(field, r.extra)
	for n > len(r.extra) {
		r.extra = make([]byte, n)
		n = r.host.Principal(field, r.extra)
	}
	if n < 0 {
		return "", false
	}
	return view(r.extra[:n]), true
}

// Attribute returns a value that an earlier filter left, or the host's
// "claim.NAME". The string is valid until the next call of Principal or
// Attribute.
func (r *Request) Attribute(name string) (string, bool) {
	n := r.host.Attribute(name, r.extra)
	for n > len(r.extra) {
		r.extra = make([]byte, n)
		n = r.host.Attribute(name, r.extra)
	}
	if n < 0 {
		return "", false
	}
	return view(r.extra[:n]), true
}

// Status is what the gateway says about a credential.
type Status = filterv1.Status

// The values of [Status] that verifications, limits and memories return.
const (
	StatusOK          = filterv1.StatusOK
	StatusAbsent      = filterv1.StatusAbsent
	StatusInvalid     = filterv1.StatusInvalid
	StatusExpired     = filterv1.StatusExpired
	StatusRevoked     = filterv1.StatusRevoked
	StatusConflict    = filterv1.StatusConflict
	StatusUnavailable = filterv1.StatusUnavailable
	StatusNotGranted  = filterv1.StatusNotGranted
	StatusLimited     = filterv1.StatusLimited
	StatusForbidden   = filterv1.StatusForbidden
	StatusTooLarge    = filterv1.StatusTooLarge
)

// ReadBody reads the next part of the body into buf and reports whether that
// was the last.
func (r *Request) ReadBody(buf []byte) (n int, eof bool) {
	return r.host.ReadBody(host.KindRequest, buf)
}

// WriteBody replaces the body; further calls append.
func (r *Request) WriteBody(p []byte) { r.host.WriteBody(host.KindRequest, p) }
