package postgres

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"gatehouse.example/internal/audit"
	"gatehouse.example/services/email"
)

var _ email.Outgoing = (*Store)(nil)

// Submit implements [email.Outgoing].
func (s *Store) Submit(ctx context.Context, m email.Message, requestHash []byte, r audit.Record) (email.Message, bool, error) {
	row := rowOf(m)
	row.RequestHash = requestHash
	created := false
	err := s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		// The same request at the same time waits here for the other's end.
		result, err := tx.NewInsert().Model(&row).On("CONFLICT (idempotency_key) DO NOTHING").Exec(ctx)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if created = n == 1; err != nil {
			return err
		}
		if created {
			return audit.Write(ctx, tx, r)
		}
		row = messageRow{}
		if err := tx.NewSelect().Model(&row).Where("m.idempotency_key = ?", m.IdempotencyKey).Scan(ctx); err != nil {
			return err
		}
		if !bytes.Equal(row.RequestHash, requestHash) {
			return email.ErrKeyReused
		}
		return nil
	})
	if err != nil {
		return email.Message{}, false, err
	}
	return row.message(), created, nil
}

// Requeue implements [email.Outgoing].
func (s *Store) Requeue(ctx context.Context, id string, now time.Time, r audit.Record) (email.Message, error) {
	var row messageRow
	err := s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		err := tx.NewUpdate().Model(&row).
			Set("state = ?", email.StateQueued).Set("attempts = 0").Set("due_at = ?", now).Set("updated_at = ?", now).
			Set("reason = ''").Set("withdrawn = false").
			Where("m.id = ?", id).Where("m.state IN ('failed', 'suppressed')").Returning("?TableColumns").Scan(ctx)
		if errors.Is(err, sql.ErrNoRows) {
			return email.ErrNotResendable
		}
		if err != nil {
			return err
		}
		if _, err := tx.NewDelete().Model((*deadLetterRow)(nil)).Where("message_id = ?", id).Exec(ctx); err != nil {
			return err
		}
		return audit.Write(ctx, tx, r)
	})
	if err != nil {
		return email.Message{}, err
	}
	return row.message(), nil
}

// sweepBatch bounds how many rows one statement removes.
const sweepBatch = 1000

// Sweep removes messages that have been on their way no more since before, and
// returns how many.
func (s *Store) Sweep(ctx context.Context, before time.Time) (removed int, err error) {
	for {
		old := s.db.Bun.NewSelect().Model((*messageRow)(nil)).Column("id").
			Where("state IN ('sent', 'failed', 'suppressed', 'obsolete')").Where("updated_at < ?", before).
			Limit(sweepBatch).For("UPDATE SKIP LOCKED")
		result, err := s.db.Bun.NewDelete().Model((*messageRow)(nil)).Where("m.id IN (?)", old).Exec(ctx)
		if err != nil {
			return removed, fmt.Errorf("sweep messages: %w", err)
		}
		n, err := result.RowsAffected()
		removed += int(n)
		if err != nil || n < sweepBatch {
			return removed, err
		}
	}
}
