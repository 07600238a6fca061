// Package postgres stores users, their preferences and roles in PostgreSQL: the
// tables of migrations/user. The events and audit records of each change are
// written in its transaction.
//
// What is legal is decided by package user; this package only keeps it, and
// turns violated unique indexes into that package's errors.
package postgres

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/database"
	"gatehouse.example/internal/outbox"
	"gatehouse.example/services/user"
)

// Store keeps users. It is safe for concurrent use.
type Store struct{ db *database.DB }

var _ user.Store = (*Store)(nil)

// New returns a store on db, whose search path is the user service's schema.
func New(db *database.DB) *Store { return &Store{db: db} }

// Insert implements [user.Writer].
func (s *Store) Insert(ctx context.Context, u user.User, trail user.Trail, key *user.IdempotencyKey) (user.User, bool, error) {
	replayed := false
	stored := u
	err := s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		replayed, stored = false, u
		if key != nil {
			earlier, err := claimKey(ctx, tx, *key, u)
			if err != nil {
				return err
			}
			if earlier != uuid.Nil {
				replayed = true
				stored, err = one(ctx, byID(tx, earlier))
				return err
			}
		}
		r, err := rowOf(u)
		if err != nil {
			return err
		}
		if _, err := tx.NewInsert().Model(&r).Exec(ctx); err != nil {
			return err
		}
		if err := guard(ctx, tx, user.User{}, u); err != nil {
			return err
		}
		if err := assign(ctx, tx, u.ID, u.Roles); err != nil {
			return err
		}
		return leave(ctx, tx, trail)
	})
	if err != nil {
		return user.User{}, false, translate("insert user", err)
	}
	return stored, replayed, nil
}

// claimKey notes the key for u, or returns the id of the user that it was used
// for before. A concurrent claim of the same key is waited for.
func claimKey(ctx context.Context, tx bun.Tx, key user.IdempotencyKey, u user.User) (uuid.UUID, error) {
	res, err := tx.NewRaw(`INSERT INTO idempotency_keys (actor, key, fingerprint, user_id, created_at)
		VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`, key.Actor, key.Key, key.Fingerprint, u.ID, u.CreatedAt).Exec(ctx)
	if err != nil {
		return uuid.Nil, fmt.Errorf("claim idempotency key: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 1 {
		return uuid.Nil, err
	}
	var earlier struct {
		Fingerprint []byte
		UserID      uuid.UUID
	}
	err = tx.NewRaw(`SELECT fingerprint, user_id FROM idempotency_keys WHERE actor = ? AND key = ?`,
		key.Actor, key.Key).Scan(ctx, &earlier.Fingerprint, &earlier.UserID)
	if err != nil {
		return uuid.Nil, fmt.Errorf("read idempotency key: %w", err)
	}
	if !bytes.Equal(earlier.Fingerprint, key.Fingerprint) {
		return uuid.Nil, user.ErrKeyReused
	}
	return earlier.UserID, nil
}

// Update implements [user.Writer].
func (s *Store) Update(ctx context.Context, id uuid.UUID, change func(*user.User) (user.Trail, error)) (user.User, error) {
	return s.update(ctx, id, byID, change)
}

// Revive implements [user.Writer].
func (s *Store) Revive(ctx context.Context, id uuid.UUID, change func(*user.User) (user.Trail, error)) (user.User, error) {
	return s.update(ctx, id, deletedByID, change)
}

func (s *Store) update(ctx context.Context, id uuid.UUID, find func(bun.IDB, uuid.UUID) *bun.SelectQuery,
	change func(*user.User) (user.Trail, error),
) (user.User, error) {
	var u user.User
	err := s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		// Lock first, read then: after waiting for the lock, one statement would
		// see the new user with the roles of its old snapshot.
		if _, err := tx.NewRaw("SELECT 1 FROM users WHERE id = ? FOR UPDATE", id).Exec(ctx); err != nil {
			return err
		}
		var err error
		if u, err = one(ctx, find(tx, id)); err != nil {
			return err
		}
		before := u
		before.Roles = slices.Clone(u.Roles)
		trail, err := change(&u)
		if err != nil || trail.Empty() {
			return err
		}
		if err := guard(ctx, tx, before, u); err != nil {
			return err
		}
		u.Version++
		r, err := rowOf(u)
		if err != nil {
			return err
		}
		if _, err := tx.NewUpdate().Model(&r).ExcludeColumn("id", "origin", "created_at").WherePK().Exec(ctx); err != nil {
			return err
		}
		if err := assign(ctx, tx, u.ID, u.Roles); err != nil {
			return err
		}
		return leave(ctx, tx, trail)
	})
	if err != nil {
		return user.User{}, translate("update user", err)
	}
	return u, nil
}

// Sweep implements [user.Sweeper].
func (s *Store) Sweep(ctx context.Context, what user.Remains, before time.Time, limit int, farewell func(user.User) (user.Trail, error)) (int, error) {
	swept := 0
	err := s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		var rows []row
		q := selectUsers(tx, &rows).Limit(int64(limit)).For("UPDATE OF u SKIP LOCKED")
		if what == user.Deleted {
			q = q.Where("u.deleted_at < ?", before).OrderExpr("u.deleted_at")
		} else {
			q = q.Where("u.status = ?", user.StatusPending).Where("u.origin = ?", user.OriginRegistration).
				Where("u.created_at < ?", before).OrderExpr("u.created_at")
		}
		if err := q.Scan(ctx); err != nil {
			return fmt.Errorf("select %s users: %w", what, err)
		}
		swept = len(rows)
		for _, r := range rows {
			u, err := r.user()
			if err != nil {
				return err
			}
			trail, err := farewell(u)
			if err != nil {
				return err
			}
			if _, err := tx.NewDelete().Model(&r).WherePK().Exec(ctx); err != nil {
				return fmt.Errorf("remove %s user %s: %w", what, r.ID, err)
			}
			if err := leave(ctx, tx, trail); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return swept, nil
}

// ForgetKeys implements [user.Sweeper].
func (s *Store) ForgetKeys(ctx context.Context, before time.Time) error {
	_, err := s.db.Bun.NewRaw(`DELETE FROM idempotency_keys WHERE created_at < ?`, before).Exec(ctx)
	if err != nil {
		return fmt.Errorf("forget idempotency keys: %w", err)
	}
	return nil
}

// assign makes roles the assigned ones.
func assign(ctx context.Context, tx bun.Tx, id uuid.UUID, roles []string) error {
	if roles == nil {
		roles = []string{}
	}
	_, err := tx.NewRaw(`DELETE FROM user_roles WHERE user_id = ? AND role <> ALL (?::text[])`, id, textArray(roles)).Exec(ctx)
	if err != nil {
		return fmt.Errorf("withdraw roles: %w", err)
	}
	if len(roles) == 0 {
		return nil
	}
	_, err = tx.NewRaw(`INSERT INTO user_roles (user_id, role) SELECT ?, unnest(?::text[]) ON CONFLICT DO NOTHING`,
		id, textArray(roles)).Exec(ctx)
	if err != nil {
		return fmt.Errorf("assign roles: %w", err)
	}
	return nil
}

// leave writes what a change leaves behind.
func leave(ctx context.Context, tx bun.Tx, trail user.Trail) error {
	for _, e := range trail.Events {
		if err := outbox.Append(ctx, tx, e); err != nil {
			return err
		}
	}
	for _, r := range trail.Records {
		if err := audit.Write(ctx, tx, r); err != nil {
			return err
		}
	}
	return nil
}

// translate turns what the database says into the domain's errors.
func translate(what string, err error) error {
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return user.ErrNotFound
	case database.IsUnique(err, "users_email_key"):
		return user.ErrEmailTaken
	case database.IsUnique(err, "users_username_key"):
		return user.ErrUsernameTaken
	case database.IsUnique(err, "users_pkey"):
		return user.ErrIDTaken
	}
	return fmt.Errorf("%s: %w", what, err)
}
