package mail

import "errors"

// Temporary marks err as a failure that another attempt may overcome, such as
// a lost connection or an SMTP 4yz reply (RFC 5321 §4.2.1). Errors that are not
// marked are taken as temporary. Temporary(nil) is nil.
func Temporary(err error) error {
	if err == nil {
		return nil
	}
	return &sendError{err: err}
}

// Permanent marks err as a failure that no attempt will overcome, such as an
// SMTP 5yz reply (RFC 5321 §4.2.1). The host does not try again. Permanent(nil)
// is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &sendError{err: err, permanent: true}
}

// IsPermanent reports whether the outermost mark on err was made by
// [Permanent] or [RecipientRefused].
func IsPermanent(err error) bool {
	var marked *sendError
	return errors.As(err, &marked) && marked.permanent
}

// RecipientRefused marks err as [Permanent] and as the receiver's word that
// there is no such mailbox (RFC 3463 §3.2, such as the SMTP reply 550 5.1.1).
// The host sends nothing to the address any more, until an administrator allows
// it again: use it only for what was said about the recipient itself.
// RecipientRefused(nil) is nil.
func RecipientRefused(err error) error {
	if err == nil {
		return nil
	}
	return &sendError{err: err, permanent: true, recipient: true}
}

// IsRecipientRefused reports whether the outermost mark on err was made by
// [RecipientRefused].
func IsRecipientRefused(err error) bool {
	var marked *sendError
	return errors.As(err, &marked) && marked.recipient
}

type sendError struct {
	err                  error
	permanent, recipient bool
}

func (e *sendError) Error() string { return e.err.Error() }
func (e *sendError) Unwrap() error { return e.err }
