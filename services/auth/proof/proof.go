// Package proof owns that who is signed in proves once more to be the owner of
// the account before something important changes, by its password: a browser
// that was left open, or a stolen cookie, is not enough.
//
// Signing in is left to services/auth/login, which shares the count of guesses;
// what is done with the proof to the caller.
package proof

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/audit"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/password"
	"gatehouse.example/services/auth/throttle"
)

// The outcomes of a check that is no success.
var (
	// ErrWrong says that it is not the password.
	ErrWrong = errors.New("wrong password")
	// ErrNoPassword says that the account has none.
	ErrNoPassword = errors.New("the account has no password")
)

// PausedError says that too many wrong ones came lately.
type PausedError struct {
	// Wait is how long the person has to wait.
	Wait time.Duration
}

// Error implements error.
func (e *PausedError) Error() string { return fmt.Sprintf("paused for %s", e.Wait) }

// Tell is [throttle.Tell].
func (e *PausedError) Tell(w http.ResponseWriter) string { return throttle.Tell(w, e.Wait) }

// Credentials finds credentials, or returns [auth.ErrNotFound].
type Credentials interface {
	Credential(ctx context.Context, userID string) (auth.Credential, error)
}

// Guard bounds the rate of guesses.
type Guard interface {
	Attempt(ctx context.Context, login, address string) (wait time.Duration, err error)
	Succeeded(ctx context.Context, login, address string) error
}

// Log keeps records of checks that failed.
type Log interface {
	Record(ctx context.Context, r audit.Record) error
}

// Options configures [New].
type Options struct {
	Credentials Credentials
	Log         Log
	Guard       Guard
	Hasher      *password.Hasher
	// Now is the clock. nil: time.Now.
	Now func() time.Time
}

// Checker checks passwords of who is signed in. It is safe for concurrent use.
type Checker struct{ Options }

// New returns a checker.
func New(o Options) *Checker {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Checker{o}
}

// HasPassword reports whether the account can be proven by a password.
func (c *Checker) HasPassword(ctx context.Context, userID string) (bool, error) {
	credential, err := c.Credentials.Credential(ctx, userID)
	if errors.Is(err, auth.ErrNotFound) {
		return false, nil
	}
	return credential.PasswordHash != "", err
}

// Check returns the credential that the password belongs to. Guesses count as
// those at sign-in do.
//
// # Errors
//
// [ErrWrong], [ErrNoPassword], a [PausedError], or [password.ErrBusy].
func (c *Checker) Check(ctx context.Context, account userapi.Account, plain, address string) (auth.Credential, error) {
	credential, err := c.Credentials.Credential(ctx, account.ID)
	if errors.Is(err, auth.ErrNotFound) || (err == nil && credential.PasswordHash == "") {
		return credential, ErrNoPassword
	}
	if err != nil {
		return credential, err
	}
	wait, err := c.Guard.Attempt(ctx, account.Email, address)
	if err != nil {
		return credential, err
	}
	if wait > 0 {
		return credential, &PausedError{Wait: wait}
	}
	if len(plain) > 4*password.MaxLength {
		plain = "" // longer than any password that could have been chosen
	}
	ok, err := c.Hasher.Verify(ctx, credential.PasswordHash, plain)
	if err != nil {
		return credential, err
	}
	if !ok {
		return credential, c.failed(ctx, account.ID)
	}
	return credential, c.Guard.Succeeded(ctx, account.Email, address)
}

// failed records the guess and returns [ErrWrong].
func (c *Checker) failed(ctx context.Context, userID string) error {
	r, err := audit.New(ctx, "auth", "password.check_failed", "user", userID, c.Now())
	if err != nil {
		return err
	}
	r.Outcome = audit.Failure
	if err := c.Log.Record(ctx, r); err != nil {
		return err
	}
	return ErrWrong
}
