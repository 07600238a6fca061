// Package postgres stores notifications, what people chose about them, and
// idempotency keys in PostgreSQL: the tables notification* of migrations/email,
// and the inbox of consumed events.
//
// It decides nothing: what is told, to whom and in which words belongs to
// package notification. Messages are those of services/email/postgres.
package postgres

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/database"
	"gatehouse.example/internal/event"
	"gatehouse.example/internal/outbox"
	"gatehouse.example/services/email/notification"
)

// Consumer is the name of the durable consumer and of its events in the inbox.
const Consumer = "email-notifications"

// Store keeps notifications. It is safe for concurrent use.
type Store struct{ db *database.DB }

var (
	_ notification.Intake      = (*Store)(nil)
	_ notification.Creator     = (*Store)(nil)
	_ notification.Inbox       = (*Store)(nil)
	_ notification.Feed        = (*Store)(nil)
	_ notification.Choices     = (*Store)(nil)
	_ notification.Preferences = (*Store)(nil)
	_ notification.Sweeper     = (*Store)(nil)
)

// New returns a store on db, whose search path is the email service's schema.
func New(db *database.DB) *Store { return &Store{db: db} }

// inbox is where a person's inbox stands, locked until the transaction ends.
type inbox struct {
	LastID   uuid.UUID  `bun:"last_id"`
	ErasedAt *time.Time `bun:"erased_at"`
}

// lock makes and locks the person's inbox. What it returns is no snapshot of
// before the lock, because the statement that waited for it reads it anew.
func lock(ctx context.Context, tx bun.Tx, userID string) (inbox, error) {
	var b inbox
	err := tx.NewRaw(`INSERT INTO notification_inboxes AS b (user_id) VALUES (?)
		ON CONFLICT (user_id) DO UPDATE SET last_id = b.last_id RETURNING last_id, erased_at`, userID).Scan(ctx, &b)
	if err != nil {
		return b, fmt.Errorf("lock inbox of %s: %w", userID, err)
	}
	return b, nil
}

// add gives n its id and stores it. It reports false where n's cause has a
// notification already. The inbox is locked.
func add(ctx context.Context, tx bun.Tx, b inbox, n *notification.Notification) (bool, error) {
	candidate, err := uuid.NewV7()
	if err != nil {
		return false, err
	}
	id := notification.NextID(candidate, b.LastID)
	n.ID = id.String()
	r := rowOf(*n)
	res, err := tx.NewInsert().Model(&r).On("CONFLICT (user_id, cause) WHERE cause IS NOT NULL DO NOTHING").Exec(ctx)
	if err != nil {
		return false, fmt.Errorf("insert notification: %w", err)
	}
	if count, err := res.RowsAffected(); err != nil || count == 0 {
		return false, err
	}
	_, err = tx.NewRaw(`UPDATE notification_inboxes SET last_id = ? WHERE user_id = ?`, id, n.UserID).Exec(ctx)
	return err == nil, err
}

// AddOnce implements [notification.Intake].
func (s *Store) AddOnce(ctx context.Context, e event.Event, n notification.Notification) (added bool, err error) {
	done, err := outbox.Once(ctx, s.db, Consumer, e, func(ctx context.Context, tx bun.Tx) error {
		added = false
		b, err := lock(ctx, tx, n.UserID)
		if err != nil || b.ErasedAt != nil {
			return err
		}
		wanted, err := allowed(ctx, tx, n.UserID, n.Category, notification.ChannelInApp)
		if err != nil || !wanted {
			return err
		}
		added, err = add(ctx, tx, b, &n)
		return err
	})
	return done && added, err
}

// EraseOnce implements [notification.Intake]. The inbox stays, empty and
// closed, until the retention is over: events of other services may come later.
func (s *Store) EraseOnce(ctx context.Context, e event.Event, userID string, now time.Time) error {
	_, err := outbox.Once(ctx, s.db, Consumer, e, func(ctx context.Context, tx bun.Tx) error {
		if _, err := lock(ctx, tx, userID); err != nil {
			return err
		}
		for _, table := range []string{"notifications", "notification_preferences", "notification_keys"} {
			if _, err := tx.NewRaw("DELETE FROM ? WHERE user_id = ?", bun.Ident(table), userID).Exec(ctx); err != nil {
				return fmt.Errorf("delete from %s: %w", table, err)
			}
		}
		_, err := tx.NewRaw("UPDATE notification_inboxes SET erased_at = ? WHERE user_id = ?", now, userID).Exec(ctx)
		return err
	})
	return err
}

// Create implements [notification.Creator].
func (s *Store) Create(ctx context.Context, c notification.Creation) (notification.Created, error) {
	var out notification.Created
	err := s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		out = notification.Created{Notification: c.Notification}
		n := &out.Notification
		if c.Key != nil {
			if err := claim(ctx, tx, *c.Key, &out); err != nil || out.Repeated {
				return err
			}
		}
		b, err := lock(ctx, tx, n.UserID)
		switch {
		case err != nil:
			return err
		case b.ErasedAt != nil:
			return notification.ErrErased
		}
		wanted, err := allowed(ctx, tx, n.UserID, n.Category, notification.ChannelInApp)
		if err != nil {
			return err
		}
		if out.Unwanted = !wanted; out.Unwanted {
			return nil
		}
		if _, err := add(ctx, tx, b, n); err != nil {
			return err
		}
		if c.Key != nil {
			_, err = tx.NewRaw("UPDATE notification_keys SET notification_id = ? WHERE actor = ? AND key = ?",
				n.ID, c.Key.Actor, c.Key.Key).Exec(ctx)
			if err != nil {
				return fmt.Errorf("complete idempotency key: %w", err)
			}
		}
		return audit.Write(ctx, tx, c.Record.With("notification_id", n.ID))
	})
	if err != nil {
		return notification.Created{}, fmt.Errorf("create notification: %w", err)
	}
	return out, nil
}

// claim notes the key, or fills out with what it was used for before. A
// concurrent claim of the same key is waited for.
func claim(ctx context.Context, tx bun.Tx, key notification.IdempotencyKey, out *notification.Created) error {
	n := &out.Notification
	res, err := tx.NewRaw(`INSERT INTO notification_keys (actor, key, fingerprint, user_id, created_at)
		VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`, key.Actor, key.Key, key.Fingerprint, n.UserID, n.CreatedAt).Exec(ctx)
	if err != nil {
		return fmt.Errorf("claim idempotency key: %w", err)
	}
	if count, err := res.RowsAffected(); err != nil || count == 1 {
		return err
	}
	var earlier struct {
		Fingerprint    []byte
		NotificationID *string
		CreatedAt      time.Time
	}
	err = tx.NewRaw("SELECT fingerprint, notification_id, created_at FROM notification_keys WHERE actor = ? AND key = ?",
		key.Actor, key.Key).Scan(ctx, &earlier.Fingerprint, &earlier.NotificationID, &earlier.CreatedAt)
	if err != nil {
		return fmt.Errorf("read idempotency key: %w", err)
	}
	if !bytes.Equal(earlier.Fingerprint, key.Fingerprint) {
		return notification.ErrKeyReused
	}
	// The request is the same, so the rest of the notification is too.
	out.Repeated, out.Unwanted, n.CreatedAt = true, earlier.NotificationID == nil, earlier.CreatedAt.UTC()
	if earlier.NotificationID != nil {
		n.ID = *earlier.NotificationID
	}
	return nil
}

// Sweep implements [notification.Sweeper]. Inboxes of erased people go with the
// age of the notifications that they no longer have.
func (s *Store) Sweep(ctx context.Context, before, keys time.Time, limit int) (users []string, removed int, err error) {
	_, err = s.db.Bun.NewRaw("DELETE FROM notification_keys WHERE created_at < ?", keys).Exec(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("delete idempotency keys: %w", err)
	}
	_, err = s.db.Bun.NewRaw("DELETE FROM notification_inboxes WHERE erased_at < ?", before).Exec(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("delete erased inboxes: %w", err)
	}
	err = s.db.Bun.NewRaw(`DELETE FROM notifications WHERE id IN (
		SELECT id FROM notifications WHERE created_at < ? ORDER BY created_at LIMIT ? FOR UPDATE SKIP LOCKED)
		RETURNING user_id`, before, limit).Scan(ctx, &users)
	if err != nil {
		return nil, 0, fmt.Errorf("delete notifications: %w", err)
	}
	return users, len(users), nil
}
