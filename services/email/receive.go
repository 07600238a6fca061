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

// Receiver turns events into queued messages. It is safe for concurrent use.
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

// EventTypes are the events that cause mails.
func EventTypes() []string { return []string{event.TypeVerificationRequested} }

// Handle stores the message that e causes. Handling an event again does
// nothing.
//
// # Errors
//
// The event was not consumed. With [ErrMalformed] it never will be.
func (r *Receiver) Handle(ctx context.Context, e event.Event) error {
	m, err := r.messageOf(e)
	if err != nil {
		return fmt.Errorf("%w %s of type %s: %w", ErrMalformed, e.ID, e.Type, err)
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

func (r *Receiver) messageOf(e event.Event) (Message, error) {
	switch e.Type {
	case event.TypeVerificationRequested:
		var v event.VerificationRequested
		if err := e.Decode(&v); err != nil {
			return Message{}, err
		}
		if v.ChallengeID == "" || v.Purpose == "" {
			return Message{}, errors.New("challenge_id or purpose is missing")
		}
		return r.newMessage(Message{
			IdempotencyKey: "challenge:" + v.ChallengeID,
			Template:       v.Purpose,
			Locale:         v.Locale,
			Recipient:      v.Email,
			UserID:         v.UserID,
			ChallengeID:    v.ChallengeID,
		})
	default:
		return Message{}, errors.New("causes no mail")
	}
}

func (r *Receiver) newMessage(m Message) (Message, error) {
	// The address goes into an envelope: nothing but a bare address may.
	address, err := netmail.ParseAddress(m.Recipient)
	if err != nil || address.Address != m.Recipient {
		return Message{}, errors.New("email is not a bare address")
	}
	if m.UserID != "" {
		if _, err := uuid.Parse(m.UserID); err != nil {
			return Message{}, errors.New("user_id is not a UUID")
		}
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Message{}, err
	}
	now := r.now().UTC()
	m.ID, m.State = id.String(), StateQueued
	m.DueAt, m.CreatedAt, m.UpdatedAt = now, now, now
	return m, nil
}
