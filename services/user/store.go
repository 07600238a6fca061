package user

import (
	"context"
	"time"

	"github.com/google/uuid"

	"gatehouse.example/internal/event"
)

// Reader finds users. Deleted ones do not exist for it.
type Reader interface {
	// ByID returns the user or [ErrNotFound].
	ByID(ctx context.Context, id uuid.UUID) (User, error)
	// ByLogin returns the user with that [EmailKey] if login has an @, else
	// with that username, or [ErrNotFound].
	ByLogin(ctx context.Context, login string) (User, error)
	// List returns up to q.Limit users in the order of q.
	List(ctx context.Context, q Query) ([]User, error)
}

// Writer changes users and records the events of a change in the same
// transaction.
type Writer interface {
	// Insert adds u. With a key that was used before for the same request it
	// adds nothing and returns the user of that time, replayed. Errors:
	// [ErrEmailTaken], [ErrUsernameTaken], [ErrIDTaken], [ErrKeyReused].
	Insert(ctx context.Context, u User, events []event.Event, key *IdempotencyKey) (stored User, replayed bool, err error)
	// Update locks the user, calls change on it and stores the outcome with
	// the next version, unless change returns an error or no events (nothing
	// changed). Errors: those of change, [ErrNotFound], [ErrEmailTaken],
	// [ErrUsernameTaken].
	Update(ctx context.Context, id uuid.UUID, change func(u *User) ([]event.Event, error)) (User, error)
}

// Sweeper ends what nobody finished or needs any more.
type Sweeper interface {
	// Sweep removes up to limit registrations that are still pending and were
	// made before, with the event that farewell makes of each, and returns
	// how many.
	Sweep(ctx context.Context, before time.Time, limit int, farewell func(User) (event.Event, error)) (int, error)
	// ForgetKeys removes idempotency keys that were first used before.
	ForgetKeys(ctx context.Context, before time.Time) error
}

// Store is all that [Accounts] needs.
type Store interface {
	Reader
	Writer
	Sweeper
}

// Query selects a page of users, ordered by creation.
type Query struct {
	// Status, if not empty, is the state to select.
	Status Status
	// EmailPrefix, if not empty, is the start of the address, case ignored.
	EmailPrefix string
	// Username, if not empty, is the whole username, case ignored.
	Username string
	// Role, if not empty, is an assigned role.
	Role string
	// Descending puts the newest first.
	Descending bool
	// After is the position of the last user of the page before; nil starts.
	After *Position
	// Limit is the size of the page.
	Limit int
}

// Position is a user's place in the order of a list.
type Position struct {
	CreatedAt time.Time
	ID        uuid.UUID
}

// IdempotencyKey makes one creation by one actor happen once.
type IdempotencyKey struct {
	// Actor is who sent the key; keys of different actors do not meet.
	Actor string
	// Key is the Idempotency-Key header's value.
	Key string
	// Fingerprint is a digest of the request.
	Fingerprint []byte
}
