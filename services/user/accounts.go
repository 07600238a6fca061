package user

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"gatehouse.example/internal/event"
)

// Accounts are the use cases on users. It is safe for concurrent use.
type Accounts struct {
	store Store
	now   func() time.Time
}

// NewAccounts returns the use cases on store. now may be nil for time.Now.
func NewAccounts(store Store, now func() time.Time) *Accounts {
	if now == nil {
		now = time.Now
	}
	return &Accounts{store: store, now: now}
}

// New is a user to create.
type New struct {
	// ID may be zero: then one is made.
	ID            uuid.UUID
	Email         string
	EmailVerified bool
	Username      string
	// Status may be empty: active if EmailVerified, else pending.
	Status  Status
	Roles   []string
	Profile Profile
	Origin  Origin
	// Key, if not nil, makes the creation happen once.
	Key *IdempotencyKey
}

// Create makes a user. replayed says that n.Key was used before and the user of
// that time is returned. Errors: [Invalid], [IllegalTransition] and those of
// [Writer].Insert.
func (a *Accounts) Create(ctx context.Context, n New) (u User, replayed bool, err error) {
	now := a.clock()
	u = User{
		ID: n.ID, Email: n.Email, EmailVerified: n.EmailVerified, Username: n.Username, Status: n.Status,
		Roles: n.Roles, Profile: n.Profile, Origin: n.Origin, Version: 1, CreatedAt: now, UpdatedAt: now,
	}.clone()
	if u.ID == uuid.Nil {
		if u.ID, err = uuid.NewV7(); err != nil {
			return User{}, false, err
		}
	}
	if u.Status == "" {
		u.Status = StatusPending
		if u.EmailVerified {
			u.Status = StatusActive
		}
	}
	if err := u.normalise(); err != nil {
		return User{}, false, err
	}
	if u.Status != StatusPending && u.Status != StatusActive {
		return User{}, false, &Invalid{Violations: []Violation{{Pointer: "/status", Detail: "must be pending or active for a new user"}}}
	}
	events, err := birth(u, now)
	if err != nil {
		return User{}, false, err
	}
	return a.store.Insert(ctx, u, events, n.Key)
}

// Ensure is [Accounts.Create] made idempotent by n.ID: an account with that id
// and address is returned as it is by now.
func (a *Accounts) Ensure(ctx context.Context, n New) (User, error) {
	u, _, err := a.Create(ctx, n)
	if !errors.Is(err, ErrIDTaken) && !errors.Is(err, ErrEmailTaken) && !errors.Is(err, ErrUsernameTaken) {
		return u, err
	}
	// Which unique index a repeated insert meets first is PostgreSQL's choice.
	there, lookup := a.store.ByID(ctx, n.ID)
	switch {
	case errors.Is(lookup, ErrNotFound):
		return User{}, err
	case lookup != nil:
		return User{}, lookup
	case EmailKey(there.Email) != EmailKey(n.Email):
		return User{}, ErrIDTaken
	}
	return there, nil
}

// ByID returns the user or [ErrNotFound].
func (a *Accounts) ByID(ctx context.Context, id uuid.UUID) (User, error) {
	return a.store.ByID(ctx, id)
}

// ByLogin returns the user with that address or username, or [ErrNotFound].
func (a *Accounts) ByLogin(ctx context.Context, login string) (User, error) {
	return a.store.ByLogin(ctx, login)
}

// List returns a page of users and the position to go on from; nil at the end.
func (a *Accounts) List(ctx context.Context, q Query) ([]User, *Position, error) {
	limit := q.Limit
	q.Limit++
	users, err := a.store.List(ctx, q)
	if err != nil || len(users) <= limit {
		return users, nil, err
	}
	last := users[limit-1]
	return users[:limit], &Position{CreatedAt: last.CreatedAt, ID: last.ID}, nil
}

// Update lets edit change the user as it is now, checks the outcome and stores
// it. An error of edit changes nothing and is returned as it is. A new address
// is unproven. Errors: [Invalid], [IllegalTransition], [ErrNotFound],
// [ErrEmailTaken], [ErrUsernameTaken].
func (a *Accounts) Update(ctx context.Context, id uuid.UUID, edit func(*User) error) (User, error) {
	return a.store.Update(ctx, id, func(u *User) ([]event.Event, error) {
		before := u.clone()
		if err := edit(u); err != nil {
			return nil, err
		}
		if err := u.normalise(); err != nil {
			return nil, err
		}
		if !before.Status.MayBecome(u.Status) {
			return nil, &IllegalTransition{From: before.Status, To: u.Status}
		}
		if EmailKey(before.Email) != EmailKey(u.Email) && before.EmailVerified {
			u.EmailVerified = false
		}
		now := a.clock()
		events, err := changes(before, *u, now)
		if len(events) > 0 {
			u.UpdatedAt = now
		}
		return events, err
	})
}

// VerifyEmail records that the person has proven address and makes a pending
// account active. Errors: [ErrEmailChanged], [ErrNotFound].
func (a *Accounts) VerifyEmail(ctx context.Context, id uuid.UUID, address string) (User, error) {
	return a.Update(ctx, id, func(u *User) error {
		if EmailKey(u.Email) != EmailKey(address) {
			return ErrEmailChanged
		}
		u.EmailVerified = true
		if u.Status == StatusPending {
			u.Status = StatusActive
		}
		return nil
	})
}

// Delete ends the account: from then on no lookup finds it, and its address
// and username are free. check, if not nil, may refuse on seeing the user.
func (a *Accounts) Delete(ctx context.Context, id uuid.UUID, check func(User) error) error {
	_, err := a.Update(ctx, id, func(u *User) error {
		if check != nil {
			if err := check(*u); err != nil {
				return err
			}
		}
		u.Status = StatusDeleted
		u.DeletedAt = a.clock()
		return nil
	})
	return err
}

const (
	// sweepBatch keeps the transaction of one sweep short.
	sweepBatch = 100
	// keyLifetime is how long an idempotency key is remembered.
	keyLifetime = 24 * time.Hour
)

// Sweep removes registrations that nobody finished within retention, and old
// idempotency keys. It returns how many registrations.
func (a *Accounts) Sweep(ctx context.Context, retention time.Duration) (int, error) {
	now := a.clock()
	if err := a.store.ForgetKeys(ctx, now.Add(-keyLifetime)); err != nil {
		return 0, err
	}
	total := 0
	for {
		n, err := a.store.Sweep(ctx, now.Add(-retention), sweepBatch, func(u User) (event.Event, error) {
			return deletedEvent(u, now)
		})
		total += n
		if err != nil || n < sweepBatch {
			return total, err
		}
	}
}

// clock returns the time in the precision that the store keeps.
func (a *Accounts) clock() time.Time { return a.now().UTC().Truncate(time.Microsecond) }
