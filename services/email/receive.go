package email

import (
	"context"
	"errors"
	"fmt"
	netmail "net/mail"
	"time"

	"github.com/google/uuid"

	"gatehouse.example/internal/event"
)

// Receiver turns events into queued messages, and takes messages back whose
// person is gone. It is safe for concurrent use.
type Receiver struct {
	intake Intake
	now    func() time.Time
	queued func()
}

// NewReceiver returns a receiver. It calls queued after each message that it
// stored, so that a sender looks at once; nil is allowed, as it is for now.
func NewReceiver(intake Intake, now func() time.Time, queued func()) *Receiver {
	if now == nil {
		now = time.Now
	}
	if queued == nil {
		queued = func() {}
	}
	return &Receiver{intake: intake, now: now, queued: queued}
}

// EventTypes are the events that cause mails or end them.
func EventTypes() []string {
	types := []string{event.TypeUserDeleted, event.TypeUserErased}
	for _, c := range causes() {
		types = append(types, c.eventType)
	}
	return types
}

// Handle stores the message that e causes. Handling an event again does
// nothing.
//
// # Errors
//
// The event was not consumed. With [ErrMalformed] it never will be.
func (r *Receiver) Handle(ctx context.Context, e event.Event) error {
	switch e.Type {
	case event.TypeUserDeleted, event.TypeUserErased:
		return r.takeBack(ctx, e)
	}
	m, err := r.messageOf(e)
	if errors.Is(err, errUnknownType) {
		return fmt.Errorf("event %s of type %s: %w", e.ID, e.Type, err)
	}
	if err != nil {
		return malformed(e, err)
	}
	if m.ID == "" {
		return nil // nothing to tell
	}
	queued, err := r.intake.EnqueueOnce(ctx, e, m)
	if err != nil {
		return fmt.Errorf("queue message for %s: %w", m.IdempotencyKey, err)
	}
	if queued {
		r.queued()
	}
	return nil
}

func malformed(e event.Event, err error) error {
	return fmt.Errorf("%w %s of type %s: %w", ErrMalformed, e.ID, e.Type, err)
}

// takeBack drops what a deleted person was to get, and forgets an erased one.
// The two events have the same data.
func (r *Receiver) takeBack(ctx context.Context, e event.Event) error {
	var d event.UserDeleted
	if err := e.Decode(&d); err != nil {
		return malformed(e, err)
	}
	if uuid.Validate(d.UserID) != nil {
		return malformed(e, errors.New("user_id is not a UUID"))
	}
	if e.Type == event.TypeUserErased {
		return r.intake.ForgetOnce(ctx, e, d.UserID)
	}
	return r.intake.WithdrawOnce(ctx, e, d.UserID, r.now().UTC())
}

// messageOf returns the message that e causes; one without an id if none.
func (r *Receiver) messageOf(e event.Event) (Message, error) {
	for _, c := range causes() {
		if c.eventType != e.Type {
			continue
		}
		m, err := c.message(e)
		if err != nil || m.Template == "" {
			return Message{}, err
		}
		return NewMessage(m, r.now())
	}
	return Message{}, errUnknownType
}

// errUnknownType says that a newer process of this service asked for events
// that this one does not know; the newer gets it when it comes again.
var errUnknownType = errors.New("this version knows no mail for it")

// NewMessage returns m with a new id, queued at now, or an error if it can't
// be sent to anybody.
func NewMessage(m Message, now time.Time) (Message, error) {
	if m.UserID != "" && uuid.Validate(m.UserID) != nil {
		return Message{}, errors.New("user_id is not a UUID")
	}
	switch {
	case m.AddressOfAccount && m.UserID == "":
		return Message{}, errors.New("user_id is missing")
	case !m.AddressOfAccount && !IsAddress(m.Recipient):
		return Message{}, errors.New("email is not a bare address")
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Message{}, err
	}
	now = now.UTC().Truncate(time.Microsecond) // as exact as it is read later
	m.ID, m.State = id.String(), StateQueued
	m.DueAt, m.CreatedAt, m.UpdatedAt = now, now, now
	return m, nil
}

// maxAddressBytes is the longest path without its brackets (RFC 5321
// §4.5.3.1.3).
const maxAddressBytes = 254

// IsAddress reports whether text is a bare address: nothing else may go into
// an envelope or a header.
func IsAddress(text string) bool {
	if len(text) > maxAddressBytes {
		return false
	}
	for _, r := range text {
		if r <= ' ' || r == 0x7f {
			return false
		}
	}
	address, err := netmail.ParseAddress(text)
	return err == nil && address.Name == "" && address.Address == text
}
