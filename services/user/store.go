package user

import (
	"context"
	"time"

	"github.com/google/uuid"

	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/event"
)

// Reader finds users. Deleted ones do not exist for it, unless a query asks
// for them.
type Reader interface {
	// ByID returns the user or [ErrNotFound].
	ByID(ctx context.Context, id uuid.UUID) (User, error)
	// ByLogin returns the user with that [EmailKey] if login has an @, else
	// with that username, or [ErrNotFound].
	ByLogin(ctx context.Context, login string) (User, error)
	// List returns up to q.Limit users in the order of q.
	List(ctx context.Context, q Query) ([]User, error)
}

// Trail is what a change leaves behind in its transaction, besides the change.
type Trail struct {
	// Events go to the outbox, in this order.
	Events []event.Event
	// Records go to the audit log.
	Records []audit.Record
}

// Writer changes users and leaves the trail of a change in the same
// transaction.
type Writer interface {
	// Insert adds u. With a key that was used before for the same request it
	// adds nothing and returns the user of that time, replayed. Errors:
	// [ErrEmailTaken], [ErrUsernameTaken], [ErrIDTaken], [ErrKeyReused].
	Insert(ctx context.Context, u User, trail Trail, key *IdempotencyKey) (stored User, replayed bool, err error)
	// Update locks the user, calls change on it and stores the outcome with
	// the next version, unless change returns an error or no trail (nothing
	// changed). Errors: those of change, [ErrNotFound], [ErrEmailTaken],
	// [ErrUsernameTaken].
	Update(ctx context.Context, id uuid.UUID, change func(u *User) (Trail, error)) (User, error)
	// Revive is Update for a deleted user, and only for one.
	Revive(ctx context.Context, id uuid.UUID, change func(u *User) (Trail, error)) (User, error)
}

// Remains are rows that are removed after some time.
type Remains string

const (
	// Unfinished are registrations that are still pending; their age counts.
	Unfinished Remains = "unfinished"
	// Deleted are deleted accounts; the time since the deletion counts.
	Deleted Remains = "deleted"
)

// Sweeper ends what nobody finished or needs any more.
type Sweeper interface {
	// Sweep removes up to limit users with all that belongs to them, whose time
	// lies before, leaves the trail that farewell makes of each, and returns how
	// many.
	Sweep(ctx context.Context, what Remains, before time.Time, limit int, farewell func(User) (Trail, error)) (int, error)
	// ForgetKeys removes idempotency keys that were first used before.
	ForgetKeys(ctx context.Context, before time.Time) error
}

// Store is all that [Accounts] needs.
type Store interface {
	Reader
	Writer
	Sweeper
}

// Sort is an order of users.
type Sort string

// The orders of users. Ties are broken by id.
const (
	SortCreated Sort = "created_at"
	SortEmail   Sort = "email"
)

// Query selects a page of users.
type Query struct {
	// Status, if not empty, is the state to select. Deleted users are found by
	// StatusDeleted alone.
	Status Status
	// IDs, if not nil, are the users to choose from.
	IDs []uuid.UUID
	// EmailPrefix, if not empty, is the start of the address, case ignored.
	EmailPrefix string
	// Username, if not empty, is the whole username, case ignored.
	Username string
	// Role, if not empty, is an assigned role.
	Role string
	// Sort is [SortCreated] where it is empty.
	Sort Sort
	// Descending puts the newest, or the last of the alphabet, first.
	Descending bool
	// After is the position of the last user of the page before; nil starts.
	After *Position
	// Limit is the size of the page.
	Limit int
}

// Position is a user's place in the order of a list.
type Position struct {
	// CreatedAt counts for [SortCreated], EmailKey for [SortEmail].
	CreatedAt time.Time
	EmailKey  string
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
