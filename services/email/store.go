package email

import (
	"context"
	"time"

	"gatehouse.example/internal/event"
	"gatehouse.example/sdk/mail"
)

// Intake stores the messages that events cause.
type Intake interface {
	// EnqueueOnce stores m and remembers e as consumed, in one transaction. It
	// reports false for an event that was consumed before and for a cause that
	// has its message already.
	EnqueueOnce(ctx context.Context, e event.Event, m Message) (queued bool, err error)
	// WithdrawOnce makes obsolete what userID was to get and what was queued
	// before the event, and remembers e as consumed, in one transaction.
	WithdrawOnce(ctx context.Context, e event.Event, userID string, now time.Time) error
	// ForgetOnce removes every trace of userID, and remembers e as consumed, in
	// one transaction.
	ForgetOnce(ctx context.Context, e event.Event, userID string) error
}

// Outbound is the queue that senders work on.
type Outbound interface {
	// Claim hands out up to limit messages that are due at now, each to one
	// caller only until leaseEnd, and counts the attempt.
	Claim(ctx context.Context, limit int, now, leaseEnd time.Time) ([]Message, error)
	// Finish records how the attempt ended that m was claimed for. A failed
	// message gets its dead letter, and an address its suppression, in the same
	// transaction.
	//
	// # Errors
	//
	// [ErrLeaseLost] when m was claimed again since.
	Finish(ctx context.Context, m Message, o Outcome) error
}

// Archive is read by people.
type Archive interface {
	// List returns messages, newest first.
	List(ctx context.Context, q Query) ([]Message, error)
	// ByID returns one message or [ErrNotFound].
	ByID(ctx context.Context, id string) (Message, error)
}

// Query narrows a list of messages.
type Query struct {
	// State, UserID and Template filter; empty means any.
	State    State
	UserID   string
	Template string
	// Before is the id after which the page begins; empty means the newest.
	Before string
	// Limit is at least 1.
	Limit int
}

// Links knows the links of challenges.
type Links interface {
	// Link returns the link of a pending challenge.
	//
	// # Errors
	//
	// [ErrObsolete] when the challenge is not pending. Any other error may be
	// gone at the next attempt.
	Link(ctx context.Context, challengeID string) (Link, error)
}

// Renderer makes a complete mail (RFC 5322) of a message.
type Renderer interface {
	Render(m Message, link Link, now time.Time) (mail.Message, error)
}

// Transport delivers mails. Errors marked [mail.Permanent] are final.
type Transport interface {
	Send(ctx context.Context, m mail.Message) (mail.Receipt, error)
}

// Accounts knows the people.
type Accounts interface {
	// Account returns the account with that id.
	//
	// # Errors
	//
	// [ErrNoAccount]. Any other error may be gone at the next attempt.
	Account(ctx context.Context, id string) (Account, error)
}

// Account is what a mail needs to know of a person.
type Account struct {
	// Email is the bare address; Locale is a BCP 47 tag or empty.
	Email, Locale string
	// Suspended says that the person can't sign in until further notice.
	Suspended bool
}

// Preferences knows what people want to get.
type Preferences interface {
	// Allowed reports whether the person wants notices of the category through
	// the channel, such as "email".
	Allowed(ctx context.Context, userID, category, channel string) (bool, error)
}

// Catalog knows the templates.
type Catalog interface {
	// Template returns the template of that name.
	Template(name string) (Template, bool)
	// Templates returns all, by name.
	Templates() []Template
}
