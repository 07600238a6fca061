package auth

import "errors"

// The outcomes that stores report and endpoints translate. They are compared
// with errors.Is.
var (
	// ErrNotFound says that nothing of that id exists (any more).
	ErrNotFound = errors.New("not found")
	// ErrConsumed says that a single-use thing was used before.
	ErrConsumed = errors.New("already used")
	// ErrExpired says that its time is over.
	ErrExpired = errors.New("expired")
	// ErrMismatch says that it is bound to something else: another client,
	// redirect URI or verifier.
	ErrMismatch = errors.New("bound to something else")
	// ErrConflict says that it was changed since it was read.
	ErrConflict = errors.New("changed meanwhile")
	// ErrTooMany says that there are as many as there may be.
	ErrTooMany = errors.New("too many")
	// ErrRevoked says that it was ended before its time.
	ErrRevoked = errors.New("revoked")
)
