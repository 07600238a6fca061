package filter

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Spec is one entry under "filters" in the gateway's configuration, checked
// for shape but not yet for what its module makes of it. It is read only.
type Spec struct {
	// Name is the key under "filters".
	Name string
	// Module is "builtin:NAME", "file:" with an absolute path, or an https URL.
	Module string
	// Binary is the module, where a [Loader] has read it already: then builders
	// use these bytes and read Module no more, so that what was compared is what
	// runs. Nil lets them read.
	Binary []byte `json:"-"`
	// SHA256 is the pinned digest of the module in lower case hex; empty pins
	// nothing. An https module needs it.
	SHA256 string
	// Signature demands a signature over the module's bytes; nil demands none.
	Signature *Signature
	// Config is handed to the filter as it is; nil where there is none.
	Config json.RawMessage
	// Grants are the host capabilities that the filter may use beyond the
	// plain ones: those of gatehouse.example/pluginspec/filter/v1.
	Grants []string
	// OnError says what a failure of the filter means for a request.
	OnError OnError
	// Limits bound what one call may use. A zero field means the builder's
	// default.
	Limits Limits
	// Environment are the guest's environment variables.
	Environment map[string]string
	// Directories are folders that the guest may read, by its own paths:
	// absolute paths of the host.
	Directories map[string]string
	// HTTP is where http_call may go.
	HTTP HTTP
}

// Signature says who must have signed a module (Ed25519, RFC 8032), over its
// bytes.
type Signature struct {
	// PublicKey is the key of 32 bytes.
	PublicKey []byte
	// Value is the signature of 64 bytes; File is the absolute path of a file
	// that holds it (64 bytes, or base64). One of them is set.
	Value []byte
	File  string
}

// HTTP says where http_call may go.
type HTTP struct {
	// Allow are URLs: a request's must begin with one of them, whole segments
	// of its path compared. http is for the machine itself alone.
	Allow []string
}

// Limits bound what a filter may use. The zero value of a field means the
// builder's default.
type Limits struct {
	// Memory is the linear memory of one instance in bytes.
	Memory int64
	// Fuel is the number of units that one call may burn; a unit is one
	// operator.
	Fuel int64
	// StartFuel is that of everything before the first request.
	StartFuel int64
	// CallDepth is how deep a guest's functions may call one another.
	CallDepth int
	// TableElements is the size of the guest's tables together.
	TableElements int
	// ModuleBytes is the size of the module.
	ModuleBytes int64
	// Instances is the number of instances that may exist at the same time.
	Instances int
	// Queue is how many requests may wait for an instance, QueueTimeout how
	// long.
	Queue        int
	QueueTimeout time.Duration
	// HostTime bounds all waiting for the host (http_call, verification, shared
	// limits) during one call.
	HostTime time.Duration
	// Body bounds a body that the guest reads or writes, in bytes.
	Body int64
	// LogLines is the number of lines a second that it may log.
	LogLines int
	// KV is the size in bytes of what it may remember.
	KV int64
}

// The grants that let a filter set the principal.
const (
	GrantJWT = "jwt"
	GrantKey = "key"
)

// Authenticates reports whether the filter may set the principal. Such a
// filter may not have [Skip] as its OnError.
func (s *Spec) Authenticates() bool {
	return slices.Contains(s.Grants, GrantJWT) || slices.Contains(s.Grants, GrantKey)
}

// Builder makes filters. It is safe for concurrent use.
type Builder interface {
	// Build compiles, starts and checks the filter of s. The filter belongs to
	// the caller, who closes it; filters of one name may exist side by side
	// while a reload drains the older one.
	//
	// # Errors
	//
	// An error says, without the filter's name in front, why s cannot run: a
	// missing module, a digest that differs, a refused configuration.
	Build(ctx context.Context, s Spec) (Filter, error)
}

// Loader reads modules. A [Builder] may be one: then whoever builds asks it
// first, to tell by the bytes whether a filter has changed, and hands them over
// in [Spec.Binary]. It is safe for concurrent use.
type Loader interface {
	// Load returns the bytes behind s.Module, which have passed s.SHA256 and
	// s.Signature.
	//
	// # Errors
	//
	// As those of [Builder].
	Load(ctx context.Context, s *Spec) ([]byte, error)
}

// ParseOnError returns the OnError that the configuration's word means; the
// empty word means [Deny].
func ParseOnError(word string) (OnError, error) {
	switch word {
	case "", "deny":
		return Deny, nil
	case "skip":
		return Skip, nil
	}
	return Deny, fmt.Errorf("on_error %q: want deny or skip", word)
}

// String returns the configuration's word for o.
func (o OnError) String() string {
	if o == Skip {
		return "skip"
	}
	return "deny"
}
