package user

import (
	"errors"
	"fmt"
	"strings"
)

// The errors of the domain. Adapters turn them into answers in one table each.
var (
	// ErrNotFound: no such user, or a deleted one.
	ErrNotFound = errors.New("no such user")
	// ErrNotDeleted: there is nothing to restore.
	ErrNotDeleted = errors.New("the account is not deleted")
	// ErrEmailTaken: another account has the address.
	ErrEmailTaken = errors.New("the e-mail address belongs to another account")
	// ErrUsernameTaken: another account has the username.
	ErrUsernameTaken = errors.New("the username belongs to another account")
	// ErrIDTaken: the id belongs to an account with another address.
	ErrIDTaken = errors.New("the id belongs to another account")
	// ErrEmailChanged: the proven address is no longer the account's.
	ErrEmailChanged = errors.New("the account has another e-mail address")
	// ErrKeyReused: the idempotency key came with another request.
	ErrKeyReused = errors.New("the idempotency key was used for another request")
)

// Violation is one unacceptable value.
type Violation struct {
	// Pointer is a JSON pointer (RFC 6901) into the user's representation.
	Pointer string
	// Detail says what is expected there.
	Detail string
}

// Invalid is an error that lists unacceptable values.
type Invalid struct{ Violations []Violation }

var _ error = (*Invalid)(nil)

// Error lists the violations.
func (e *Invalid) Error() string {
	parts := make([]string, len(e.Violations))
	for i, v := range e.Violations {
		parts[i] = v.Pointer + " " + v.Detail
	}
	return "invalid user: " + strings.Join(parts, "; ")
}

// Add notes one more violation.
func (e *Invalid) Add(pointer, detail string) {
	e.Violations = append(e.Violations, Violation{Pointer: pointer, Detail: detail})
}

func (e *Invalid) err() error {
	if len(e.Violations) == 0 {
		return nil
	}
	return e
}

// IllegalTransition is a change of state that [Status.MayBecome] rules out.
type IllegalTransition struct{ From, To Status }

var _ error = (*IllegalTransition)(nil)

// Error names both states.
func (e *IllegalTransition) Error() string {
	return fmt.Sprintf("an account that is %s cannot become %s", e.From, e.To)
}
