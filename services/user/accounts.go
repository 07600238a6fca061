package user

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"

	"gatehouse.example/internal/event"
)

// Notify sends a notice to those who listen right now; nobody keeps it.
type Notify func(ctx context.Context, subject string, data []byte) error

// Options configures [NewAccounts]. The zero value works.
type Options struct {
	// Now is nil for time.Now.
	Now func() time.Time
	// Notify tells after the commit that what a person may do has changed; nil
	// tells nobody.
	Notify Notify
	// Attributes is what a profile's attributes must satisfy; nil allows none.
	Attributes *Schema
	// DeletedRetention is how long a deleted account can be restored; 0 is until
	// it is erased.
	DeletedRetention time.Duration
	// Logger takes notices that could not be sent; nil is slog.Default.
	Logger *slog.Logger
}

// Accounts are the use cases on users. It is safe for concurrent use.
type Accounts struct {
	store      Store
	now        func() time.Time
	notify     Notify
	attributes *Schema
	retention  time.Duration
	logger     *slog.Logger
}

// NewAccounts returns the use cases on store.
func NewAccounts(store Store, o Options) *Accounts {
	a := &Accounts{store: store, now: o.Now, notify: o.Notify, attributes: o.Attributes, retention: o.DeletedRetention, logger: o.Logger}
	if a.now == nil {
		a.now = time.Now
	}
	if a.notify == nil {
		a.notify = func(context.Context, string, []byte) error { return nil }
	}
	if a.logger == nil {
		a.logger = slog.Default()
	}
	return a
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
	if err := a.check(User{}, &u); err != nil {
		return User{}, false, err
	}
	if u.Status != StatusPending && u.Status != StatusActive {
		return User{}, false, &Invalid{Violations: []Violation{{Pointer: "/status", Detail: "must be pending or active for a new user"}}}
	}
	trail, err := birth(ctx, u, now)
	if err != nil {
		return User{}, false, err
	}
	return a.store.Insert(ctx, u, trail, n.Key)
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
	return users[:limit], &Position{CreatedAt: last.CreatedAt, EmailKey: EmailKey(last.Email), ID: last.ID}, nil
}

// Update lets edit change the user as it is now, checks the outcome and stores
// it. An error of edit changes nothing and is returned as it is. A new address
// is unproven. Errors: [Invalid], [IllegalTransition], [ErrNotFound],
// [ErrEmailTaken], [ErrUsernameTaken].
func (a *Accounts) Update(ctx context.Context, id uuid.UUID, edit func(*User) error) (User, error) {
	return a.change(ctx, a.store.Update, id, func(before User, u *User) error {
		if err := edit(u); err != nil {
			return err
		}
		if EmailKey(before.Email) != EmailKey(u.Email) {
			u.EmailVerified = false
		}
		if u.Status.Valid() && !before.Status.MayBecome(u.Status) {
			return &IllegalTransition{From: before.Status, To: u.Status}
		}
		return nil
	})
}

// change is a change of one user by a method of the store, with its trail and,
// after the commit, the notice.
func (a *Accounts) change(ctx context.Context,
	by func(context.Context, uuid.UUID, func(*User) (Trail, error)) (User, error),
	id uuid.UUID, edit func(before User, u *User) error,
) (User, error) {
	var before User
	after, err := by(ctx, id, func(u *User) (Trail, error) {
		before = u.clone()
		if err := edit(before, u); err != nil {
			return Trail{}, err
		}
		if err := a.check(before, u); err != nil {
			return Trail{}, err
		}
		now := a.clock()
		trail, err := changes(ctx, before, *u, now)
		if !trail.Empty() {
			u.UpdatedAt = now
		}
		return trail, err
	})
	if err != nil {
		return User{}, err
	}
	if before.Status != after.Status || !slices.Equal(before.Roles, after.Roles) {
		a.tell(ctx, id)
	}
	return after, nil
}

// check brings u into its canonical form and refuses what is not acceptable.
func (a *Accounts) check(before User, u *User) error {
	var bad Invalid
	u.normalise(&bad)
	// Values that stay are not held against a schema that changed since, and
	// who has no attributes is not held against what they would have to be.
	if len(u.Profile.Attributes) > 0 && !u.Profile.Attributes.equal(before.Profile.Attributes) {
		u.Profile.Attributes.check("/profile/attributes", maxAttributesBytes, &bad)
		if a.attributes == nil {
			bad.Add("/profile/attributes", "there are no custom attributes here")
		} else {
			a.attributes.check("/profile/attributes", u.Profile.Attributes, &bad)
		}
	}
	return bad.err()
}

// tell sends the notice that the user may do something else now. The change is
// committed, and its event tells the same more slowly: a failure is only logged.
func (a *Accounts) tell(ctx context.Context, id uuid.UUID) {
	if err := a.notify(context.WithoutCancel(ctx), event.NoticePrincipal("user", id.String()), []byte("user "+id.String())); err != nil {
		a.logger.WarnContext(ctx, "notice of a change was not sent; its event follows", "error", err)
	}
}

// clock returns the time in the precision that the store keeps.
func (a *Accounts) clock() time.Time { return a.now().UTC().Truncate(time.Microsecond) }
