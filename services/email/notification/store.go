package notification

import (
	"context"
	"time"

	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/event"
)

// Preferences says what a person wants to be told of.
type Preferences interface {
	// Allowed reports whether the person wants to be told of the category by
	// the channel, one of the Channel constants. A locked category always is,
	// and so is whatever is meant for nobody in particular (userID "").
	Allowed(ctx context.Context, userID, category, channel string) (bool, error)
}

// Intake stores what events cause. Each call remembers the event in its own
// transaction, and does nothing for one that was consumed before.
type Intake interface {
	// AddOnce stores n, unless its cause has a notification already, the person
	// does not want its category or was erased. It reports whether it did.
	AddOnce(ctx context.Context, e event.Event, n Notification) (added bool, err error)
	// EraseOnce forgets everything about the person, and drops what comes later.
	EraseOnce(ctx context.Context, e event.Event, userID string, now time.Time) error
}

// Creation is what an API client asks for.
type Creation struct {
	Notification Notification
	// Key makes it happen once; nil if the client gave none.
	Key *IdempotencyKey
	// Record is written in the transaction of the creation.
	Record audit.Record
}

// IdempotencyKey makes one creation by one actor happen once.
type IdempotencyKey struct {
	// Actor is who created: kind and id of the principal.
	Actor string
	// Key is the Idempotency-Key header's value.
	Key string
	// Fingerprint is a hash of the request.
	Fingerprint []byte
}

// Creator stores what API clients send.
type Creator interface {
	// Create stores the notification, unless the person does not want its
	// category. A repetition with the same key returns what the first returned.
	//
	// # Errors
	//
	// [ErrKeyReused] and [ErrErased].
	Create(ctx context.Context, c Creation) (Created, error)
}

// Created is the outcome of a creation.
type Created struct {
	// Notification is as it was when it was created.
	Notification Notification
	// Unwanted says that nothing is stored: the person does not want it.
	Unwanted bool
	// Repeated says that the creation had happened before.
	Repeated bool
}

// Query narrows a list of a person's notifications.
type Query struct {
	UserID string
	// Unread leaves out what was read.
	Unread bool
	// Category filters; empty means any.
	Category string
	// Before is the id after which the page begins; empty means the newest.
	Before string
	// Limit is at least 1.
	Limit int
}

// Inbox is read and changed by the person whose it is.
type Inbox interface {
	InboxReader
	InboxChanger
}

// InboxReader reads a person's inbox.
type InboxReader interface {
	// List returns notifications, newest first.
	List(ctx context.Context, q Query) ([]Notification, error)
	// Unread returns how many the person has not read.
	Unread(ctx context.Context, userID string) (int, error)
}

// InboxChanger changes a person's inbox.
type InboxChanger interface {
	// MarkRead marks one as read and returns it, or [ErrNotFound]. The time of
	// one that was read already stays.
	MarkRead(ctx context.Context, userID, id string, now time.Time) (Notification, error)
	// MarkAllRead marks all as read, or those with the ids unless ids is nil,
	// and returns how many were not.
	MarkAllRead(ctx context.Context, userID string, ids []string, now time.Time) (int, error)
	// Delete removes one, or returns [ErrNotFound].
	Delete(ctx context.Context, userID, id string) error
}

// Choices keeps what people chose.
type Choices interface {
	// Settings returns what the person chose, and the categories of its
	// notifications.
	Settings(ctx context.Context, userID string) (s Settings, used []string, err error)
	// Choose replaces the person's settings by what change makes of them; an
	// error of change changes nothing. Concurrent changes wait for each other.
	Choose(ctx context.Context, userID string, now time.Time, change func(s Settings, used []string) (Settings, error)) error
}

// Feed is what a live stream reads.
type Feed interface {
	// Newest returns the highest id that the person's inbox ever had, or the
	// nil UUID.
	Newest(ctx context.Context, userID string) (string, error)
	// Since returns up to limit notifications whose ids are higher, oldest
	// first. Nothing that is committed later has a lower id than one returned.
	Since(ctx context.Context, userID, id string, limit int) ([]Notification, error)
	// Unread is that of [Inbox].
	Unread(ctx context.Context, userID string) (int, error)
}

// Sweeper removes what is old.
type Sweeper interface {
	// Sweep removes up to limit notifications created before a time and returns
	// whose they were and how many; and all idempotency keys from before keys.
	Sweep(ctx context.Context, before, keys time.Time, limit int) (users []string, removed int, err error)
}
