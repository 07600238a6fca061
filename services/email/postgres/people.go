package postgres

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"gatehouse.example/internal/event"
	"gatehouse.example/internal/outbox"
	"gatehouse.example/services/email"
)

// reasonDeleted is why a message to a deleted person is obsolete.
const reasonDeleted = "account deleted"

// WithdrawOnce implements [email.Intake]. What was queued after the event is of
// a life that began after it.
func (s *Store) WithdrawOnce(ctx context.Context, e event.Event, userID string, now time.Time) error {
	_, err := outbox.Once(ctx, s.db, consumer, e, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewUpdate().Model((*messageRow)(nil)).
			Set("state = ?", email.StateObsolete).Set("reason = ?", reasonDeleted).Set("data = '{}'").Set("updated_at = ?", now).
			Where("user_id = ?", userID).Where("state IN ('queued', 'deferred')").Where("created_at <= ?", e.Time).Exec(ctx)
		if err != nil {
			return err
		}
		// One that is in a sender's hands may go out; there is no next attempt.
		_, err = tx.NewUpdate().Model((*messageRow)(nil)).Set("withdrawn = true").
			Where("user_id = ?", userID).Where("state = 'sending'").Where("created_at <= ?", e.Time).Exec(ctx)
		return err
	})
	return err
}

// ForgetOnce implements [email.Intake]. Suppressions that administrators asked
// for stay: without them a person would be written to that refused it.
func (s *Store) ForgetOnce(ctx context.Context, e event.Event, userID string) error {
	_, err := outbox.Once(ctx, s.db, consumer, e, func(ctx context.Context, tx bun.Tx) error {
		var addresses []string
		err := tx.NewDelete().Model((*messageRow)(nil)).Where("user_id = ?", userID).Returning("recipient").Scan(ctx, &addresses)
		if err != nil || len(addresses) == 0 {
			return err
		}
		keys := make([]string, len(addresses))
		for i, address := range addresses {
			keys[i] = email.AddressKey(address)
		}
		_, err = tx.NewDelete().Model((*suppressionRow)(nil)).
			Where("address_key IN (?)", bun.List(keys)).Where("reason = ?", email.ReasonRefused).Exec(ctx)
		return err
	})
	return err
}
