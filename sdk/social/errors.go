package social

import "errors"

// Kind tells what can be done about a failure.
type Kind int

// The kinds of failure.
const (
	// KindTemporary may pass by itself. It is the kind of every error that is
	// not marked.
	KindTemporary Kind = iota
	// KindDenied says that the person said no.
	KindDenied
	// KindInvalid says that what came back is not to be trusted or used.
	KindInvalid
	// KindMisconfigured says that the operator has to mend something.
	KindMisconfigured
)

// Temporary marks err as a failure that another sign-in may overcome: the
// provider can't be reached, or has troubles of its own. Temporary(nil) is nil.
func Temporary(err error) error { return mark(err, KindTemporary) }

// Denied marks err as the person's own refusal, such as access_denied
// (RFC 6749 §4.1.2.1). Denied(nil) is nil.
func Denied(err error) error { return mark(err, KindDenied) }

// Invalid marks err as a callback that is not to be trusted or can't be used: a
// code that the provider refuses, a token of another issuer, audience or nonce,
// or one that has expired. Invalid(nil) is nil.
func Invalid(err error) error { return mark(err, KindInvalid) }

// Misconfigured marks err as a failure that the operator has to mend, such as
// wrong client credentials. Misconfigured(nil) is nil.
func Misconfigured(err error) error { return mark(err, KindMisconfigured) }

// KindOf returns the kind of the outermost mark on err, [KindTemporary] without
// one.
func KindOf(err error) Kind {
	var marked *providerError
	if errors.As(err, &marked) {
		return marked.kind
	}
	return KindTemporary
}

func mark(err error, kind Kind) error {
	if err == nil {
		return nil
	}
	return &providerError{err: err, kind: kind}
}

type providerError struct {
	err  error
	kind Kind
}

func (e *providerError) Error() string { return e.err.Error() }
func (e *providerError) Unwrap() error { return e.err }
