package auth

import (
	"net/mail"
	"time"
)

// Purpose is what a mailed link is for. The values are those of the event
// gatehouse.auth.verification_requested.v1.
type Purpose string

// The purposes of a challenge.
const (
	// PurposeVerifyEmail proves that the person reads the address.
	PurposeVerifyEmail Purpose = "verify_email"
	// PurposeExistingAccount tells the owner of an address that somebody tried
	// to register it again. It proves nothing and is never consumed.
	PurposeExistingAccount Purpose = "existing_account"
	// PurposeResetPassword lets who reads the address choose a new password.
	PurposeResetPassword Purpose = "reset_password"
	// PurposeChangeEmail proves that the person reads the address that the
	// account shall get.
	PurposeChangeEmail Purpose = "change_email"
)

// Challenge is a link that was or will be mailed. The code in the link is
// derived from the id under a key outside the database, and stored nowhere.
type Challenge struct {
	ID      string
	Purpose Purpose
	UserID  string
	// Email is the address that the link is mailed to.
	Email string
	// OldEmail is the account's address when its change was asked for; "" for
	// other purposes.
	OldEmail string
	Locale   string
	// PasswordHash becomes the credential when the challenge is met, so that
	// an account belongs to who reads its mail: a stranger who registered the
	// address first cannot leave a password behind.
	PasswordHash string
	// ProviderName is what people know the provider by whose identity waits for
	// the challenge; "" for none. It is told to the mail and not stored.
	ProviderName string
	// ReturnTo is the local path at which the person goes on to sign in.
	ReturnTo   string
	CreatedAt  time.Time
	ExpiresAt  time.Time
	ConsumedAt *time.Time
}

// ValidEmail reports whether a link can be mailed to address: a bare address of
// no more than 254 bytes (RFC 5321 §4.5.3.1.3). Which accounts may have it is the
// user service's business.
func ValidEmail(address string) bool {
	parsed, err := mail.ParseAddress(address)
	return err == nil && parsed.Address == address && len(address) <= 254
}

// Pending returns nil, or why the challenge can no longer be met at now.
func (c Challenge) Pending(now time.Time) error {
	switch {
	case c.ConsumedAt != nil:
		return ErrConsumed
	case !now.Before(c.ExpiresAt):
		return ErrExpired
	}
	return nil
}

// Credential is how a person proves who it is.
type Credential struct {
	UserID string
	// PasswordHash is an argon2id hash in PHC format.
	PasswordHash string
	UpdatedAt    time.Time
}

// SetupLink is the one-time way to the first administrator's account.
type SetupLink struct {
	ID string
	// UserID is the id that the account will have, fixed from the beginning so
	// that a repeated attempt creates the same account.
	UserID string
	// TokenHash is the SHA-256 of the token in the link.
	TokenHash []byte
	CreatedAt time.Time
	ExpiresAt time.Time
}

// MailLimit bounds the mails that others can cause to be sent to a person.
type MailLimit struct {
	// Interval is the least time between two.
	Interval time.Duration
	// PerHour is the most in an hour.
	PerHour int
}

// DefaultMailLimit returns one a minute and five an hour.
func DefaultMailLimit() MailLimit { return MailLimit{Interval: time.Minute, PerHour: 5} }
