package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"
)

// ErrLeaseLost is the cause of the end of the context that [DB.Lease] gives
// to its function, and the error of [Fence].
var ErrLeaseLost = errors.New("lease lost")

// Lease waits until it holds the lease of that name in the service's schema,
// runs run, and gives the lease back. At most one process holds a lease; it
// is renewed while run works.
//
// If the lease is lost (database out of reach for longer than ttl, process
// suspended), run's context ends with the cause [ErrLeaseLost], and when run
// has returned, Lease waits for the lease again and runs it again. token
// grows with every holder: work that must not happen twice writes it along or
// checks it in its transaction with [Fence].
//
// Lease returns when ctx is done (with its error) or when run returned while
// it held the lease (with run's error). ttl is at least one second.
func (d *DB) Lease(ctx context.Context, name string, ttl time.Duration, run func(ctx context.Context, token int64) error) error {
	ttl = max(ttl, time.Second)
	l := lease{db: d, name: name, holder: uuid.New(), ttl: ttl}
	for {
		token, deadline, err := l.acquire(ctx)
		if err != nil {
			return err
		}
		lost, err := l.hold(ctx, token, deadline, run)
		if !lost || ctx.Err() != nil {
			return err
		}
		d.logger.WarnContext(ctx, "lease lost, waiting for it again", "lease", name)
	}
}

// Fence reports ErrLeaseLost unless token still is the latest token of the
// lease, and keeps it so until tx ends: the next holder waits for tx.
func Fence(ctx context.Context, tx bun.Tx, name string, token int64) error {
	var latest int64
	err := tx.NewRaw("SELECT token FROM leases WHERE name = ? FOR SHARE", name).Scan(ctx, &latest)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return ErrLeaseLost
	case err != nil:
		return fmt.Errorf("fence lease %q: %w", name, err)
	case latest != token:
		return ErrLeaseLost
	}
	return nil
}

type lease struct {
	db     *DB
	name   string
	holder uuid.UUID
	ttl    time.Duration
}

// acquire returns the token and the time until which the lease is surely
// held by our own clock. Errors of the database are waited out.
func (l *lease) acquire(ctx context.Context) (int64, time.Time, error) {
	for {
		asked := time.Now()
		token, err := l.try(ctx)
		switch {
		case ctx.Err() != nil:
			if err == nil {
				l.release(token)
			}
			return 0, time.Time{}, ctx.Err()
		case err == nil:
			return token, asked.Add(l.ttl), nil
		case !errors.Is(err, sql.ErrNoRows):
			l.db.logger.WarnContext(ctx, "acquire lease", "lease", l.name, "error", err)
		}
		select {
		case <-ctx.Done():
			return 0, time.Time{}, ctx.Err()
		case <-time.After(l.ttl / 4):
		}
	}
}

// try is one attempt; sql.ErrNoRows says that somebody else holds the lease.
// The clock is the database's alone, so clocks of processes may differ.
func (l *lease) try(ctx context.Context) (token int64, err error) {
	err = l.db.Bun.NewRaw(`
		INSERT INTO leases AS l (name, holder, token, expires_at)
		VALUES (?, ?, 1, clock_timestamp() + ? * interval '1 millisecond')
		ON CONFLICT (name) DO UPDATE
		SET holder = EXCLUDED.holder, token = l.token + 1, expires_at = EXCLUDED.expires_at
		WHERE l.expires_at < clock_timestamp()
		RETURNING token`, l.name, l.holder, l.ttl.Milliseconds()).Scan(ctx, &token)
	return token, err
}

// hold runs run and renews beside it until run returns.
func (l *lease) hold(ctx context.Context, token int64, deadline time.Time, run func(context.Context, int64) error) (lost bool, err error) {
	held, cancel := context.WithCancelCause(ctx)
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		l.renew(held, token, deadline, cancel)
	}()
	defer func() {
		lost = errors.Is(context.Cause(held), ErrLeaseLost)
		cancel(nil)
		<-renewed
		if !lost {
			l.release(token)
		}
	}()
	return false, run(held, token)
}

// renew prolongs the lease each third of its time, and calls cancel when it
// is somebody else's, or when it may be because no renewal came through.
func (l *lease) renew(ctx context.Context, token int64, deadline time.Time, cancel context.CancelCauseFunc) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(min(l.ttl/3, time.Until(deadline)-l.ttl/10)):
		}
		asked := time.Now()
		attempt, stop := context.WithDeadline(ctx, deadline)
		res, err := l.db.Bun.NewRaw(`
			UPDATE leases SET expires_at = clock_timestamp() + ? * interval '1 millisecond'
			WHERE name = ? AND holder = ? AND token = ?`,
			l.ttl.Milliseconds(), l.name, l.holder, token).Exec(attempt)
		stop()
		if err == nil {
			if n, _ := res.RowsAffected(); n == 0 {
				cancel(ErrLeaseLost)
				return
			}
			deadline = asked.Add(l.ttl)
			continue
		}
		if !time.Now().Add(l.ttl / 10).Before(deadline) {
			cancel(ErrLeaseLost)
			return
		}
	}
}

// release lets the next holder in at once; if it fails, the lease expires.
func (l *lease) release(token int64) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, err := l.db.Bun.NewRaw("UPDATE leases SET expires_at = '-infinity' WHERE name = ? AND holder = ? AND token = ?",
		l.name, l.holder, token).Exec(ctx)
	if err != nil {
		l.db.logger.DebugContext(ctx, "release lease", "lease", l.name, "error", err)
	}
}
