package email

import (
	"errors"
	"time"
)

// State is where a message is on its way.
type State string

// The states of a message. Queued, sending and deferred ones are still on
// their way; the others are final.
const (
	// StateQueued waits for its first attempt.
	StateQueued State = "queued"
	// StateSending is in a sender's hands until its lease ends.
	StateSending State = "sending"
	// StateDeferred failed and waits for its next attempt.
	StateDeferred State = "deferred"
	// StateSent was accepted by the transport.
	StateSent State = "sent"
	// StateFailed was given up: a dead letter with a reason.
	StateFailed State = "failed"
	// StateSuppressed was not sent, because its address gets no mail or the
	// person does not want mails of its category. It can be sent again.
	StateSuppressed State = "suppressed"
	// StateObsolete was dropped, because its reason had gone before it was
	// sent: the challenge is met, over or unknown, the account is deleted.
	StateObsolete State = "obsolete"
)

// States returns every state.
func States() []State {
	return []State{StateQueued, StateSending, StateDeferred, StateSent, StateFailed, StateSuppressed, StateObsolete}
}

// Message is one mail to one person. It never holds a link or a body.
type Message struct {
	// ID is a UUIDv7; it is also the key by which a transport recognises a
	// repeated attempt.
	ID string
	// IdempotencyKey names the cause: there is one message per cause.
	IdempotencyKey string
	// Template names the texts, such as "verify_email".
	Template string
	// Locale is a BCP 47 tag as the cause gave it; may be empty.
	Locale string
	// Recipient is the bare address. With AddressOfAccount it is that of the
	// last attempt, empty before the first.
	Recipient string
	// AddressOfAccount says that the mail goes to the address, and by default
	// in the language, that UserID's account has at sending time.
	AddressOfAccount bool
	// UserID is whom it concerns; empty if nobody in particular.
	UserID string
	// ChallengeID names the challenge whose link the mail carries; empty if it
	// carries none.
	ChallengeID string
	// Data fills the template's own variables; without a secret, because it is
	// stored. It is forgotten when the message is sent or obsolete.
	Data map[string]string

	State State
	// Attempts begun so far, the one under way included.
	Attempts int
	// DueAt is when the next attempt is due; while sending, when the lease ends.
	DueAt time.Time
	// Reason is why the last attempt did not succeed.
	Reason string
	// Transport and ProviderID say who accepted the message and under which id.
	Transport, ProviderID string
	CreatedAt, UpdatedAt  time.Time
	// SentAt is zero until the message is sent.
	SentAt time.Time
}

// Link is what a mail asks its reader to open. It is a secret of the reader:
// it must be in no log and no table.
type Link struct {
	URL string
	// ExpiresAt is the end of its validity; zero if it has none.
	ExpiresAt time.Time
}

// Outcome is how an attempt ended.
type Outcome struct {
	// State is one of sent, deferred, failed, suppressed, obsolete.
	State State
	// Recipient and Locale are those of the attempt.
	Recipient, Locale string
	// Reason is for the operator, without a secret.
	Reason string
	// Permanent says that the transport refused for good (state failed).
	Permanent bool
	// Suppression is set when the transport says that the mailbox does not
	// exist: the address gets no mail from now on.
	Suppression *Suppression
	// Forget says that there is no such account: whom the message was for is
	// not kept (state obsolete).
	Forget bool
	// Transport and ProviderID come with state sent.
	Transport, ProviderID string
	// DueAt is the next attempt (state deferred).
	DueAt time.Time
	// At is when the attempt ended.
	At time.Time
}

var (
	// ErrNotFound says that there is no such message or suppression.
	ErrNotFound = errors.New("not found")
	// ErrMalformed says that an event can't become a message, now or later.
	ErrMalformed = errors.New("malformed event")
	// ErrObsolete says that the cause of a message is gone; it is not sent.
	ErrObsolete = errors.New("the cause of the message is gone")
	// ErrNoAccount says that there is no such account, or that it is deleted.
	ErrNoAccount = errors.New("there is no such account")
	// ErrLeaseLost says that an attempt took so long that another sender took
	// the message over; its outcome is not recorded.
	ErrLeaseLost = errors.New("another sender has taken the message over")
)
