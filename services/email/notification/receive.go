package notification

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"gatehouse.example/internal/event"
)

// maxDataBytes bounds one member of a notification's data.
const maxDataBytes = 512

// Receiver turns events into notifications. It is safe for concurrent use.
type Receiver struct {
	intake Intake
	now    func() time.Time
	notify func(ctx context.Context, userID string)
}

// NewReceiver returns a receiver that calls notify after each change of a
// person's inbox that it committed. A nil now is time.Now.
func NewReceiver(intake Intake, now func() time.Time, notify func(ctx context.Context, userID string)) *Receiver {
	if now == nil {
		now = time.Now
	}
	return &Receiver{intake: intake, now: now, notify: notify}
}

// EventTypes are the events that [Receiver.Handle] understands.
func EventTypes() []string {
	return []string{
		event.TypeNewDevice, event.TypePasswordChanged, event.TypeUserEmailChanged, event.TypeUserRolesChanged,
		event.TypeIdentityLinked, event.TypeIdentityUnlinked, event.TypeKeyRevoked, event.TypeUserErased,
	}
}

// Handle stores the notification that e causes, or forgets the person that it
// erases. Handling an event again does nothing, and events may come in any
// order. A deleted person's notifications stay: they come back with it.
//
// # Errors
//
// The event was not consumed. With [ErrMalformed] it never will be.
func (r *Receiver) Handle(ctx context.Context, e event.Event) error {
	n, err := notificationOf(e)
	if err != nil {
		return fmt.Errorf("%w %s of type %s: %w", ErrMalformed, e.ID, e.Type, err)
	}
	if n == nil {
		return nil
	}
	if uuid.Validate(n.UserID) != nil {
		return fmt.Errorf("%w %s of type %s: user_id is not a UUID", ErrMalformed, e.ID, e.Type)
	}
	n.CreatedAt = r.now().UTC().Truncate(time.Microsecond)
	if e.Type == event.TypeUserErased {
		if err := r.intake.EraseOnce(ctx, e, n.UserID, n.CreatedAt); err != nil {
			return fmt.Errorf("erase notifications: %w", err)
		}
		r.notify(ctx, n.UserID)
		return nil
	}
	added, err := r.intake.AddOnce(ctx, e, *n)
	if err != nil {
		return fmt.Errorf("store notification of %s: %w", n.Cause, err)
	}
	if added {
		r.notify(ctx, n.UserID)
	}
	return nil
}

// notificationOf returns what the event causes; nil if it causes nothing. For
// an erasure only the UserID counts.
func notificationOf(e event.Event) (*Notification, error) {
	switch e.Type {
	case event.TypeNewDevice:
		d, err := decode[event.NewDevice](e)
		n := security(e, TypeNewDevice, d.UserID, "session_id", d.SessionID, "user_agent", d.UserAgent, "address", d.Address)
		if d.SessionID != "" {
			n.Cause = "new_device:" + d.SessionID
		}
		return n, err
	case event.TypePasswordChanged:
		d, err := decode[event.PasswordChanged](e)
		return security(e, TypePasswordChanged, d.UserID, "reason", d.Reason, "address", d.Address), err
	case event.TypeUserEmailChanged:
		d, err := decode[event.UserEmailChanged](e)
		return security(e, TypeEmailChanged, d.UserID, "old_email", d.OldEmail, "email", d.Email), err
	case event.TypeUserRolesChanged:
		return rolesChanged(e)
	case event.TypeIdentityLinked:
		d, err := decode[event.IdentityLinked](e)
		return security(e, TypeIdentityLinked, d.UserID, "provider", d.Provider), err
	case event.TypeIdentityUnlinked:
		d, err := decode[event.IdentityUnlinked](e)
		return security(e, TypeIdentityUnlinked, d.UserID, "provider", d.Provider), err
	case event.TypeKeyRevoked:
		return keyRevoked(e)
	case event.TypeUserErased:
		d, err := decode[event.UserErased](e)
		return &Notification{UserID: d.UserID}, err
	default:
		return nil, errors.New("causes no notification")
	}
}

func rolesChanged(e event.Event) (*Notification, error) {
	d, err := decode[event.UserRolesChanged](e)
	if err != nil || len(d.Added)+len(d.Removed) == 0 {
		return nil, err
	}
	n := security(e, TypeRolesChanged, d.UserID, "added", strings.Join(d.Added, ", "), "removed", strings.Join(d.Removed, ", "))
	n.Category, n.Link = CategoryAccount, ""
	return n, nil
}

// keyRevoked tells a person of a key that somebody ended; not of one that ended
// with its owner, and no client.
func keyRevoked(e event.Event) (*Notification, error) {
	d, err := decode[event.KeyRevoked](e)
	if err != nil || d.OwnerKind != "user" || d.Reason == "owner" {
		return nil, err
	}
	n := security(e, TypeKeyRevoked, d.OwnerID, "key_id", d.KeyID, "reason", d.Reason)
	n.Link = ""
	return n, nil
}

// security makes a notification of pairs of names and values; empty values are
// left out.
func security(e event.Event, typ, userID string, pairs ...string) *Notification {
	n := &Notification{
		UserID: userID, Category: CategorySecurity, Type: typ, Link: "/account",
		Data: map[string]string{}, Cause: "event:" + e.ID,
	}
	for i := 0; i < len(pairs); i += 2 {
		if value := storable(pairs[i+1]); value != "" {
			n.Data[pairs[i]] = value
		}
	}
	return n
}

// storable makes text of what a browser or an operator wrote: no database
// refuses it, and it has an end.
func storable(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, ""), "\x00", "")
	if len(text) <= maxDataBytes {
		return text
	}
	end := maxDataBytes
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

func decode[T any](e event.Event) (T, error) {
	var data T
	err := e.Decode(&data)
	return data, err
}
