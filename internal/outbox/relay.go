package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"gatehouse.example/internal/database"
	"gatehouse.example/internal/event"
)

const (
	defaultInterval = 5 * time.Second
	defaultBatch    = 100
	publishTimeout  = 10 * time.Second
	sweepInterval   = time.Hour
	keepPublished   = 24 * time.Hour
	// keepConsumed is far longer than the bus delivers an event again.
	keepConsumed = 90 * 24 * time.Hour
)

// RelayOptions configures a [Relay].
type RelayOptions struct {
	// DB is the pool of the service whose outbox it is.
	DB *database.DB
	// Publish returns when the bus has stored the event. An event whose
	// Publish failed, or whose success could not be recorded, is published again.
	Publish func(ctx context.Context, e event.Event) error
	// Logger receives failures; nil means slog.Default.
	Logger *slog.Logger
	// Interval is how often the outbox is read without a notification; 0
	// means 5 s. It only bounds the delay when notifications are lost.
	Interval time.Duration
	// Batch bounds the events of one transaction; 0 means 100.
	Batch int
}

// Relay publishes the events of an outbox. Any number may run on one outbox:
// each partition is worked at by one of them at a time.
type Relay struct {
	o      RelayOptions
	logger *slog.Logger
}

// NewRelay makes a relay; Run starts it.
func NewRelay(o RelayOptions) *Relay {
	if o.Interval <= 0 {
		o.Interval = defaultInterval
	}
	if o.Batch <= 0 {
		o.Batch = defaultBatch
	}
	r := &Relay{o: o, logger: o.Logger}
	if r.logger == nil {
		r.logger = slog.Default()
	}
	return r
}

// Run publishes until ctx is done, then returns nil. Failures of the database
// and the bus are logged and waited out.
func (r *Relay) Run(ctx context.Context) error {
	wake := make(chan struct{}, 1)
	var listening sync.WaitGroup
	listening.Go(func() { r.listen(ctx, wake) })
	defer listening.Wait()

	var swept time.Time
	for failures := 0; ; {
		again, err := r.round(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			failures++
			r.logger.WarnContext(ctx, "outbox relay, trying again", "error", err, "failures", failures)
		default:
			failures = 0
		}
		if time.Since(swept) > sweepInterval {
			swept = time.Now()
			r.sweep(ctx)
		}
		if again && err == nil {
			continue
		}
		if !r.pause(ctx, wake, failures) {
			return nil
		}
	}
}

// pause waits for a notification, the interval, or after a failure for a
// growing time: then a notification would only repeat the failure.
func (r *Relay) pause(ctx context.Context, wake <-chan struct{}, failures int) bool {
	wait := r.o.Interval
	if failures > 0 {
		wake = nil
		wait = min(100*time.Millisecond<<min(failures, 10), max(r.o.Interval, 5*time.Second))
	}
	wait -= rand.N(wait/5 + 1) // relays that began together need not stay so
	select {
	case <-ctx.Done():
		return false
	case <-wake:
	case <-time.After(wait):
	}
	return true
}

// round works at each partition that has unpublished events. again tells that
// there may be more at once. It asks for what is unpublished, never for what
// is newer than the last: a transaction may commit after one that drew a
// higher number.
func (r *Relay) round(ctx context.Context) (again bool, err error) {
	var waiting []int
	err = r.o.DB.Bun.NewRaw(`SELECT p FROM generate_series(0, ?) AS p
		WHERE EXISTS (SELECT FROM outbox WHERE partition = p AND published_at IS NULL)`, partitions-1).Scan(ctx, &waiting)
	if err != nil {
		return false, fmt.Errorf("read outbox: %w", err)
	}
	// In another order each time, so that several relays share the work.
	rand.Shuffle(len(waiting), func(i, j int) { waiting[i], waiting[j] = waiting[j], waiting[i] })
	var failed []error
	for _, p := range waiting {
		more, err := r.drain(ctx, p)
		again = again || more
		if err != nil {
			failed = append(failed, err)
		}
		// One event may be at fault, but after some it is the bus.
		if ctx.Err() != nil || len(failed) == 3 {
			break
		}
	}
	return again, errors.Join(failed...)
}

// drain publishes up to a batch of one partition under its lock. What was
// published is recorded even if a later event failed.
func (r *Relay) drain(ctx context.Context, p int) (more bool, err error) {
	tx, err := r.o.DB.Pool.Begin(ctx)
	if err != nil {
		return false, fmt.Errorf("read outbox: %w", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = tx.Rollback(ctx) // does nothing after the commit
	}()
	var mine bool
	err = tx.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock(hashtext(current_schema() || '/relay'), $1::int)", p).Scan(&mine)
	if err != nil {
		return false, fmt.Errorf("lock partition %d of outbox: %w", p, err)
	}
	if !mine {
		return false, nil // another relay is at it
	}
	ids, events, err := r.unpublished(ctx, tx, p)
	if err != nil {
		return false, fmt.Errorf("read outbox: %w", err)
	}
	published, publishErr := r.publish(ctx, events)
	if published > 0 {
		// Also at the end of ctx: otherwise they would be published again.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_, err := tx.Exec(ctx, "UPDATE outbox SET published_at = clock_timestamp() WHERE id = ANY($1::uuid[])", ids[:published])
		if err == nil {
			err = tx.Commit(ctx)
		}
		if err != nil {
			return false, errors.Join(publishErr, fmt.Errorf("record %d published events: %w", published, err))
		}
	}
	return publishErr == nil && len(events) == r.o.Batch, publishErr
}

func (r *Relay) unpublished(ctx context.Context, tx pgx.Tx, p int) (ids []string, events []event.Event, err error) {
	rows, err := tx.Query(ctx, `SELECT id::text, event::text FROM outbox
		WHERE partition = $1 AND published_at IS NULL ORDER BY seq LIMIT $2`, p, r.o.Batch)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id, text string
		if err := rows.Scan(&id, &text); err != nil {
			return nil, nil, err
		}
		var e event.Event
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			return nil, nil, fmt.Errorf("event %s: %w", id, err)
		}
		ids, events = append(ids, id), append(events, e)
	}
	return ids, events, rows.Err()
}

// publish stops at the first failure, because the next event may be of the
// same aggregate.
func (r *Relay) publish(ctx context.Context, events []event.Event) (int, error) {
	for i, e := range events {
		attempt, cancel := context.WithTimeout(ctx, publishTimeout)
		err := r.o.Publish(attempt, e)
		cancel()
		if err != nil {
			return i, fmt.Errorf("publish event %s (%s): %w", e.ID, e.Type, err)
		}
	}
	return len(events), nil
}

// sweep deletes what is published for a day, and the memory of consumed
// events that cannot come again.
func (r *Relay) sweep(ctx context.Context) {
	for _, q := range []struct {
		sql  string
		keep time.Duration
	}{
		{"DELETE FROM outbox WHERE published_at < now() - ? * interval '1 second'", keepPublished},
		{"DELETE FROM consumed_events WHERE consumed_at < now() - ? * interval '1 second'", keepConsumed},
	} {
		if _, err := r.o.DB.Bun.NewRaw(q.sql, int64(q.keep.Seconds())).Exec(ctx); err != nil && ctx.Err() == nil {
			r.logger.WarnContext(ctx, "sweep outbox", "error", err)
		}
	}
}
