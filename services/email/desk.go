package email

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gatehouse.example/internal/audit"
)

// Outgoing stores what clients and administrators ask for.
type Outgoing interface {
	// Submit stores m with its audit record. If there is a message with the
	// same idempotency key, it stores nothing and returns that one and false.
	//
	// # Errors
	//
	// [ErrKeyReused] when that message came of another request.
	Submit(ctx context.Context, m Message, requestHash []byte, r audit.Record) (stored Message, created bool, err error)
	// Requeue makes a failed or suppressed message due at now, as if it were
	// new, and writes r.
	//
	// # Errors
	//
	// [ErrNotFound], and [ErrNotResendable] in any other state.
	Requeue(ctx context.Context, id string, now time.Time, r audit.Record) (Message, error)
}

var (
	// ErrKeyReused says that an idempotency key came with another request.
	ErrKeyReused = errors.New("the idempotency key came with another request before")
	// ErrNotResendable says that a message is still on its way, or has arrived.
	ErrNotResendable = errors.New("only failed and suppressed messages can be sent again")
	// ErrSuppressed says that the address of a message gets no mail.
	ErrSuppressed = errors.New("the address is suppressed")
)

// Submission is a client's wish to send one mail.
type Submission struct {
	// Template is the name of a template that clients may send.
	Template string
	// UserID or To is whom the mail goes to; exactly one is set.
	UserID, To string
	// Locale is a BCP 47 tag; empty takes the account's.
	Locale string
	// Data fills the template's variables.
	Data map[string]string
	// Actor is who asks: "user:ID" or "client:ID".
	Actor string
	// Key makes repeating the submission safe, for each actor by itself; empty
	// means that each is another.
	Key string
}

// DeskOptions configures a [Desk]; all but Queued and Now are required.
type DeskOptions struct {
	Store        Outgoing
	Archive      Archive
	Catalog      Catalog
	Accounts     Accounts
	Suppressions Suppressions
	// Queued is called after each message that was queued; may be nil.
	Queued func()
	// Now is the clock; time.Now.
	Now func() time.Time
}

// Desk takes what clients and administrators want to send. It is safe for
// concurrent use.
type Desk struct{ o DeskOptions }

// NewDesk returns a desk.
func NewDesk(o DeskOptions) *Desk {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Queued == nil {
		o.Queued = func() {}
	}
	return &Desk{o}
}

// Submit queues the mail. created is false for a submission whose key came
// before, with the message of then.
//
// A person that the user service does not know is refused; while that service
// is away, the message is queued, and the sender asks.
//
// # Errors
//
// An [*InvalidError] that lists what is wrong, [ErrKeyReused].
func (d *Desk) Submit(ctx context.Context, s Submission) (m Message, created bool, err error) {
	if err := d.check(ctx, s); err != nil {
		return Message{}, false, err
	}
	m, err = NewMessage(Message{
		Template: s.Template, Locale: s.Locale, Recipient: s.To,
		UserID: s.UserID, AddressOfAccount: s.UserID != "", Data: s.Data,
	}, d.o.Now())
	if err != nil {
		return Message{}, false, err
	}
	m.IdempotencyKey = "message:" + m.ID
	if s.Key != "" {
		sum := sha256.Sum256([]byte(s.Key))
		m.IdempotencyKey = "request:" + s.Actor + ":" + hex.EncodeToString(sum[:])
	}
	record, err := d.record(ctx, "message.sent_by_client", m)
	if err != nil {
		return Message{}, false, err
	}
	hash, err := s.hash()
	if err != nil {
		return Message{}, false, err
	}
	m, created, err = d.o.Store.Submit(ctx, m, hash, record)
	if err != nil {
		return Message{}, false, fmt.Errorf("submit message: %w", err)
	}
	if created {
		d.o.Queued()
	}
	return m, created, nil
}

// hash tells one request from another; encoding/json sorts the data's names.
func (s Submission) hash() ([]byte, error) {
	text, err := json.Marshal([]any{s.Template, s.UserID, s.To, s.Locale, s.Data})
	sum := sha256.Sum256(text)
	return sum[:], err
}

// Resend queues a failed or suppressed message once more.
//
// # Errors
//
// [ErrNotFound], [ErrNotResendable], and [ErrSuppressed] while its address is
// suppressed.
func (d *Desk) Resend(ctx context.Context, id string) (Message, error) {
	m, err := d.o.Archive.ByID(ctx, id)
	if err != nil {
		return Message{}, err
	}
	if m.State != StateFailed && m.State != StateSuppressed {
		return Message{}, ErrNotResendable
	}
	switch _, err := d.o.Suppressions.Suppression(ctx, m.Recipient); {
	case err == nil && !m.AddressOfAccount:
		return Message{}, ErrSuppressed
	case err == nil:
		// The account may have another address by now; the sender asks.
		account, lookup := d.o.Accounts.Account(ctx, m.UserID)
		if lookup == nil && AddressKey(account.Email) == AddressKey(m.Recipient) {
			return Message{}, ErrSuppressed
		}
	case !errors.Is(err, ErrNotFound):
		return Message{}, err
	}
	record, err := d.record(ctx, "message.resent", m)
	if err != nil {
		return Message{}, err
	}
	if m, err = d.o.Store.Requeue(ctx, id, d.o.Now().UTC(), record); err != nil {
		return Message{}, fmt.Errorf("send message %s again: %w", id, err)
	}
	d.o.Queued()
	return m, nil
}

func (d *Desk) record(ctx context.Context, action string, m Message) (audit.Record, error) {
	r, err := audit.New(ctx, service, action, "message", m.ID, d.o.Now())
	if err != nil {
		return r, err
	}
	r = r.With("template", m.Template)
	if m.UserID != "" {
		r = r.With("user_id", m.UserID)
	}
	return r, nil
}
