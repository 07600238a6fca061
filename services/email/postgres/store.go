// Package postgres stores messages in PostgreSQL: the tables messages,
// dead_letters and suppressions of migrations/email, the inbox of consumed
// events, and the audit records of what people change here.
//
// It decides nothing: states, retries and what a message is belong to package
// email.
package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"gatehouse.example/internal/database"
	"gatehouse.example/internal/event"
	"gatehouse.example/internal/outbox"
	"gatehouse.example/services/email"
)

// consumer names this service in the inbox.
const consumer = "email"

// Store keeps messages. It is safe for concurrent use.
type Store struct{ db *database.DB }

var (
	_ email.Intake   = (*Store)(nil)
	_ email.Outbound = (*Store)(nil)
	_ email.Archive  = (*Store)(nil)
)

// New returns a store on db, whose search path is the email service's schema.
func New(db *database.DB) *Store { return &Store{db: db} }

// EnqueueOnce implements [email.Intake].
func (s *Store) EnqueueOnce(ctx context.Context, e event.Event, m email.Message) (queued bool, err error) {
	row := rowOf(m)
	done, err := outbox.Once(ctx, s.db, consumer, e, func(ctx context.Context, tx bun.Tx) error {
		queued = false
		result, err := tx.NewInsert().Model(&row).On("CONFLICT (idempotency_key) DO NOTHING").Exec(ctx)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		queued = n == 1
		return err
	})
	return done && queued, err
}

// Claim implements [email.Outbound]. Two senders never claim the same message
// (SKIP LOCKED); one whose sender is gone is due again when its lease ends.
func (s *Store) Claim(ctx context.Context, limit int, now, leaseEnd time.Time) ([]email.Message, error) {
	due := s.db.Bun.NewSelect().Model((*messageRow)(nil)).Column("id").
		Where("state IN ('queued', 'sending', 'deferred')").Where("due_at <= ?", now).
		OrderExpr("due_at").Limit(int64(limit)).For("UPDATE SKIP LOCKED")
	var rows []messageRow
	_, err := s.db.Bun.NewUpdate().Model(&rows).
		Set("state = ?", email.StateSending).Set("attempts = attempts + 1").
		Set("due_at = ?", leaseEnd).Set("updated_at = ?", now).
		Where("m.id IN (?)", due).Returning("?TableColumns").Exec(ctx)
	if err != nil {
		return nil, fmt.Errorf("claim messages: %w", err)
	}
	return messagesOf(rows), nil
}

// Finish implements [email.Outbound].
func (s *Store) Finish(ctx context.Context, m email.Message, o email.Outcome) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		result, err := outcomeUpdate(tx, m, o).Exec(ctx)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, email.ErrLeaseLost)
		}
		if o.Suppression != nil {
			if _, err := suppress(ctx, tx, *o.Suppression); err != nil {
				return err
			}
		}
		if o.State != email.StateFailed {
			return nil
		}
		_, err = tx.NewInsert().Model(&deadLetterRow{
			MessageID: m.ID, Reason: o.Reason, Permanent: o.Permanent, Attempts: m.Attempts, FailedAt: o.At,
		}).Exec(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("finish message %s: %w", m.ID, err)
	}
	return nil
}

func outcomeUpdate(tx bun.Tx, m email.Message, o email.Outcome) *bun.UpdateQuery {
	update := tx.NewUpdate().Model((*messageRow)(nil)).
		Set("reason = ?", o.Reason).Set("transport = ?", o.Transport).Set("provider_id = ?", o.ProviderID).
		Set("updated_at = ?", o.At).
		// The number of the attempt and the end of its lease fence a sender
		// that has lost it.
		Where("id = ?", m.ID).Where("state = ?", email.StateSending).
		Where("attempts = ?", m.Attempts).Where("due_at = ?", m.DueAt)
	switch {
	case o.Forget:
		update = update.Set("user_id = NULL").Set("recipient = ''")
	case o.Recipient != "":
		update = update.Set("recipient = ?", o.Recipient)
	}
	switch o.State {
	case email.StateSent:
		update = update.Set("state = ?", o.State).Set("sent_at = ?", o.At).Set("locale = ?", o.Locale).Set("data = '{}'")
	case email.StateDeferred:
		// The person may have gone while this attempt was under way.
		update = update.Set("due_at = ?", o.DueAt).
			Set("state = CASE WHEN withdrawn THEN ? ELSE ? END", email.StateObsolete, o.State)
	case email.StateObsolete:
		update = update.Set("state = ?", o.State).Set("data = '{}'")
	default:
		update = update.Set("state = ?", o.State)
	}
	return update
}

// List implements [email.Archive].
func (s *Store) List(ctx context.Context, q email.Query) ([]email.Message, error) {
	var rows []messageRow
	query := s.db.Bun.NewSelect().Model(&rows).OrderExpr("m.id DESC").Limit(int64(q.Limit))
	if q.State != "" {
		query = query.Where("m.state = ?", q.State)
	}
	if q.UserID != "" {
		query = query.Where("m.user_id = ?", q.UserID)
	}
	if q.Template != "" {
		query = query.Where("m.template = ?", q.Template)
	}
	if q.Before != "" {
		query = query.Where("m.id < ?", q.Before)
	}
	if err := query.Scan(ctx); err != nil {
		return nil, fmt.Errorf("list messages: %w", err)
	}
	return messagesOf(rows), nil
}

// ByID implements [email.Archive].
func (s *Store) ByID(ctx context.Context, id string) (email.Message, error) {
	if !database.IsUUID(id) {
		return email.Message{}, email.ErrNotFound
	}
	var row messageRow
	err := s.db.Bun.NewSelect().Model(&row).Where("m.id = ?", id).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return email.Message{}, email.ErrNotFound
	}
	if err != nil {
		return email.Message{}, fmt.Errorf("load message %s: %w", id, err)
	}
	return row.message(), nil
}
