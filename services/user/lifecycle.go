package user

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
)

// VerifyEmail records that the person has proven address and makes a pending
// account active. Errors: [ErrEmailChanged], [ErrNotFound].
func (a *Accounts) VerifyEmail(ctx context.Context, id uuid.UUID, address string) (User, error) {
	return a.change(ctx, a.store.Update, id, func(_ User, u *User) error {
		if EmailKey(u.Email) != EmailKey(address) {
			return ErrEmailChanged
		}
		u.proven()
		return nil
	})
}

// ChangeEmail gives the user another address, which the person has proven. from
// is the address at the time when the change was asked for. If the user has the
// new address by now, it is proven and nothing else changes. Errors: [Invalid],
// [ErrEmailChanged], [ErrEmailTaken], [ErrNotFound].
func (a *Accounts) ChangeEmail(ctx context.Context, id uuid.UUID, from, address string) (User, error) {
	return a.change(ctx, a.store.Update, id, func(_ User, u *User) error {
		if EmailKey(u.Email) != EmailKey(address) {
			if EmailKey(u.Email) != EmailKey(from) {
				return ErrEmailChanged
			}
			u.Email = address
		}
		u.proven()
		return nil
	})
}

// proven notes that the person has proven its address.
func (u *User) proven() {
	u.EmailVerified = true
	if u.Status == StatusPending {
		u.Status = StatusActive
	}
}

// Delete shuts the account: from then on no lookup finds it, and its address
// and username are free. It can be restored until it is erased. check, if not
// nil, may refuse on seeing the user.
func (a *Accounts) Delete(ctx context.Context, id uuid.UUID, check func(User) error) error {
	_, err := a.Update(ctx, id, func(u *User) error {
		if check != nil {
			if err := check(*u); err != nil {
				return err
			}
		}
		u.StatusBefore, u.Status = u.Status, StatusDeleted
		u.DeletedAt = a.clock()
		return nil
	})
	return err
}

// Restore brings a deleted account back to the state before its deletion.
// check, if not nil, may refuse on seeing the user. Errors: [ErrNotFound],
// [ErrNotDeleted], [ErrEmailTaken], [ErrUsernameTaken].
func (a *Accounts) Restore(ctx context.Context, id uuid.UUID, check func(User) error) (User, error) {
	restored, err := a.change(ctx, a.store.Revive, id, func(_ User, u *User) error {
		// Its time is over, whether or not the sweeper came by.
		if a.retention > 0 && !a.clock().Before(u.DeletedAt.Add(a.retention)) {
			return ErrNotFound
		}
		if check != nil {
			if err := check(*u); err != nil {
				return err
			}
		}
		u.Status, u.StatusBefore, u.DeletedAt = u.StatusBefore, "", time.Time{}
		if u.Status == "" {
			// Deleted before the state was kept.
			u.Status = StatusPending
			if u.EmailVerified {
				u.Status = StatusActive
			}
		}
		return nil
	})
	if errors.Is(err, ErrNotFound) {
		// No deleted one, that is; what [Reader] finds is not deleted.
		if _, there := a.store.ByID(ctx, id); there == nil {
			return User{}, ErrNotDeleted
		}
	}
	return restored, err
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
	if err := a.store.ForgetKeys(ctx, a.clock().Add(-keyLifetime)); err != nil {
		return 0, err
	}
	return a.remove(ctx, Unfinished, retention)
}

// Erase removes for good what is left of the accounts that were deleted longer
// than retention ago, and returns how many.
func (a *Accounts) Erase(ctx context.Context, retention time.Duration) (int, error) {
	return a.remove(ctx, Deleted, retention)
}

func (a *Accounts) remove(ctx context.Context, what Remains, retention time.Duration) (int, error) {
	now := a.clock()
	for total := 0; ; {
		n, err := a.store.Sweep(ctx, what, now.Add(-retention), sweepBatch, func(u User) (Trail, error) {
			return farewell(ctx, u, now)
		})
		total += n
		if err != nil || n < sweepBatch {
			return total, err
		}
	}
}
