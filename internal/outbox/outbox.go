package outbox

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"

	"github.com/uptrace/bun"

	"gatehouse.example/internal/database"
	"gatehouse.example/internal/event"
)

// partitions bounds how many relays of a service can publish at once. An
// aggregate always has the same one, so changing this needs an empty outbox.
const partitions = 16

// Append adds e to the outbox in the caller's transaction and wakes the
// relays when that commits. Appends for one aggregate wait for each other's
// transactions, so a transaction appends as late as it can.
func Append(ctx context.Context, db bun.IDB, e event.Event) error {
	if err := e.Validate(); err != nil {
		return fmt.Errorf("append to outbox: %w", err)
	}
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("append event %s to outbox: %w", e.ID, err)
	}
	// The number of a row is drawn before the commit: without the lock, the
	// later of two transactions on an aggregate could commit first and be
	// published first. Identity values are drawn by the second statement, so
	// under the lock.
	_, err = db.NewRaw(`SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '/outbox/' || ?, 0)),
		pg_notify('gatehouse_outbox_' || current_schema(), '')`, e.Subject).Exec(ctx)
	if err != nil {
		return fmt.Errorf("append event %s to outbox: %w", e.ID, err)
	}
	_, err = db.NewRaw(`INSERT INTO outbox (id, partition, aggregate, type, event) VALUES (?, ?, ?, ?, ?::jsonb)`,
		e.ID, partition(e.Subject), e.Subject, e.Type, string(text)).Exec(ctx)
	if err != nil {
		return fmt.Errorf("append event %s to outbox: %w", e.ID, err)
	}
	return nil
}

func partition(aggregate string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(aggregate)) // never fails
	return int(h.Sum32() % partitions)
}

// Once runs fn in a transaction unless this consumer has consumed e before,
// and records in the same transaction that it has. done tells whether fn ran
// and was committed; false without an error means that e is a repetition. If
// another process is at the same event, Once waits for it.
//
// fn may run again after a deadlock, as in [database.DB.InTx].
func Once(ctx context.Context, db *database.DB, consumer string, e event.Event, fn func(ctx context.Context, tx bun.Tx) error) (done bool, err error) {
	err = db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		done = false
		res, err := tx.NewRaw(`INSERT INTO consumed_events (consumer, event_id) VALUES (?, ?) ON CONFLICT DO NOTHING`,
			consumer, e.ID).Exec(ctx)
		if err != nil {
			return fmt.Errorf("record event %s as consumed by %q: %w", e.ID, consumer, err)
		}
		n, err := res.RowsAffected()
		if err != nil || n == 0 {
			return err
		}
		done = true
		return fn(ctx, tx)
	})
	return done && err == nil, err
}
