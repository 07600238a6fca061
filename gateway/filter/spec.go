package filter

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
)

// Spec is one entry under "filters" in the gateway's configuration, checked
// for shape but not yet for what its module makes of it. It is read only.
type Spec struct {
	// Name is the key under "filters".
	Name string
	// Module is "builtin:NAME" or "file:" with an absolute path.
	Module string
	// SHA256 is the pinned digest of the module in lower case hex; empty pins
	// nothing.
	SHA256 string
	// Config is handed to the filter as it is; nil where there is none.
	Config json.RawMessage
	// Grants are the host capabilities that the filter may use beyond the
	// plain ones, for example "jwt", "key", "kv", "headers.sensitive".
	Grants []string
	// OnError says what a failure of the filter means for a request.
	OnError OnError
	// Limits bound what one call may use. A zero field means the builder's
	// default.
	Limits Limits
}

// Limits bound what a filter may use.
type Limits struct {
	// Memory is the guest memory of one instance in bytes.
	Memory int64
	// Fuel is the number of fuel units that one call may burn.
	Fuel int64
	// Instances is the number of instances that may exist at the same time.
	Instances int
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
