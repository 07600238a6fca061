package filter

import (
	"encoding/binary"
	"unsafe"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
	"gatehouse.example/sdk/filter/internal/host"
)

// Request is the request that a filter handles. Its strings are views: they
// are valid until the handler returns, and describe the request as it came to
// this filter, not what the filter has changed itself. In HandleResponse it is
// for reading only: what changes it panics there.
type Request struct {
	host   host.Caller
	loaded bool
	// responding says that the request has gone on, replied that it has an
	// answer.
	responding, replied bool

	// at are where the strings of the head begin in snapshot, each after its
	// length; addressAt is where the port and the 16 bytes of the address do.
	at        [stringCount]uint32
	addressAt uint32

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

// The strings of a snapshot, in its order.
const (
	atMethod = iota
	atURI
	atScheme
	atHost
	atPath
	atQuery
	atProtocol
	atAddress
	atRoute
	atID
	stringCount
)

// addressSize is that of the port and the address in 16 bytes, which stand
// between the strings.
const addressSize = 4 + 16

func newRequest(h host.Caller) *Request {
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
	r.loaded, r.responding, r.replied = false, false, false
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
	r.decode(r.snapshot[:n])
	r.loaded = true
}

// decode finds the strings but does not make them: a filter reads a few of
// them. By hand rather than with a Reader, for every request comes through here
// and a call costs a guest more than what it would do.
func (r *Request) decode(p []byte) {
	if len(p) == 0 || p[0] != filterv1.SnapshotVersion {
		panic("filter: unknown version of the request snapshot")
	}
	pos := uint32(1)
	for i := range r.at {
		r.at[i] = pos
		pos += 4 + uint32At(p, pos)
		if i == atAddress {
			r.addressAt = pos
			pos += addressSize
		}
	}
	r.count = int(uint32At(p, pos))
	r.fields = p[pos+4:]
	r.indexed = false
}

// uint32At is binary.LittleEndian.Uint32(p[at:]) without making that slice,
// which in a guest costs more than the reading.
func uint32At(p []byte, at uint32) uint32 {
	if uint64(at)+4 > uint64(len(p)) {
		panic("filter: malformed request snapshot")
	}
	return binary.LittleEndian.Uint32((*[4]byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(p)), at))[:])
}

// text makes string i of the head.
func (r *Request) text(i int) string {
	r.load()
	p := r.snapshot[r.at[i]:]
	n := binary.LittleEndian.Uint32(p)
	return view(p[4 : 4+n])
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
func (r *Request) Method() string { return r.text(atMethod) }

// URI returns the request target in origin form, as received.
func (r *Request) URI() string { return r.text(atURI) }

// Scheme returns "http" or "https".
func (r *Request) Scheme() string { return r.text(atScheme) }

// Host returns the host that was asked for, with the port if there was one.
func (r *Request) Host() string { return r.text(atHost) }

// Path returns the decoded, cleaned path: what routing has seen.
func (r *Request) Path() string { return r.text(atPath) }

// Query returns the raw query without "?".
func (r *Request) Query() string { return r.text(atQuery) }

// Protocol returns "HTTP/1.1" or "HTTP/2.0".
func (r *Request) Protocol() string { return r.text(atProtocol) }

// SourceAddress returns the client's address without port, as trusted proxies
// tell it.
func (r *Request) SourceAddress() string { return r.text(atAddress) }

// SourceIP returns the client's address as 16 bytes, IPv4 mapped into IPv6.
func (r *Request) SourceIP() [16]byte {
	r.load()
	return [16]byte(r.snapshot[r.addressAt+4:])
}

// SourcePort returns the client's port.
func (r *Request) SourcePort() uint32 {
	r.load()
	return binary.LittleEndian.Uint32(r.snapshot[r.addressAt:])
}

// Route returns the name of the matched route.
func (r *Request) Route() string { return r.text(atRoute) }

// ID returns the request id.
func (r *Request) ID() string { return r.text(atID) }

// Header returns the first value of the field, or "". name may be in any case.
// Authorization, Proxy-Authorization and X-API-Key are there only with the
// grant "headers.authorization", Cookie only with "headers.cookie".
func (r *Request) Header(name string) string {
	v, _ := r.LookupHeader(name)
	return v
}

// LookupHeader returns the first value of the field, and whether it is there.
func (r *Request) LookupHeader(name string) (string, bool) {
	r.load()
	// By hand rather than with a Reader: this is what filters do most.
	p, pos, size, length := r.fields, uint32(0), uint32(len(r.fields)), uint32(len(name))
	for pos < size {
		n := uint32At(p, pos)
		at := pos + 4
		pos = at + n
		v := uint32At(p, pos)
		if n == length && equalFold(p[at:pos], name) {
			return view(p[pos+4 : pos+4+v]), true
		}
		pos += 4 + v
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
// was the last. It needs the grant "body.request"; without it the request
// fails. The upstream gets what was read only with [Setup.BufferRequest].
func (r *Request) ReadBody(buf []byte) (n int, eof bool) {
	return r.host.ReadBody(host.KindRequest, buf)
}

// WriteBody replaces the body; further calls append. It needs the grant
// "body.request".
func (r *Request) WriteBody(p []byte) { r.host.WriteBody(host.KindRequest, p) }
