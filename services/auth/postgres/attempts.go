package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"gatehouse.example/internal/database"
	"gatehouse.example/services/auth/throttle"
)

// Attempts counts attempts to sign in.
type Attempts struct{ db *database.DB }

// NewAttempts returns the store on db.
func NewAttempts(db *database.DB) *Attempts { return &Attempts{db} }

var _ throttle.Store = (*Attempts)(nil)

// Attempt counts one attempt under key and returns zero, or, without counting,
// until when the key is paused. It is one statement, so attempts at the same
// time queue on the row. They need not come in the order of their clocks: what is
// not paused is so since ever, not since the last of them.
func (s *Attempts) Attempt(ctx context.Context, key []byte, p throttle.Policy, now time.Time) (time.Time, error) {
	var attempts int
	err := s.db.Pool.QueryRow(ctx, `INSERT INTO login_attempts AS a (key, attempts, last_at, paused_until) VALUES ($1, 1, $2, 'epoch')
		ON CONFLICT (key) DO UPDATE SET
			attempts = CASE WHEN a.last_at < $3 THEN 1 ELSE a.attempts + 1 END,
			last_at = $2,
			paused_until = CASE WHEN a.last_at < $3 OR a.attempts < $4 THEN 'epoch'
				ELSE $2 + make_interval(secs => LEAST($6::float8, $5::float8 * power(2, LEAST(a.attempts - $4, 30)))) END
		WHERE a.paused_until <= $2
		RETURNING attempts`,
		key, clock(now), clock(now.Add(-p.Window)), p.Free, p.First.Seconds(), p.Max.Seconds()).Scan(&attempts)
	if err == nil {
		return time.Time{}, nil
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return time.Time{}, fmt.Errorf("count sign-in attempt: %w", err)
	}
	var until time.Time
	err = s.db.Pool.QueryRow(ctx, `SELECT paused_until FROM login_attempts WHERE key = $1`, key).Scan(&until)
	if errors.Is(err, pgx.ErrNoRows) {
		return now, nil // forgiven in between: the caller waits its least time
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("read sign-in pause: %w", err)
	}
	return until, nil
}

// Forgive takes back the attempts under key: all of them or the last one.
func (s *Attempts) Forgive(ctx context.Context, key []byte, all bool) error {
	statement := `UPDATE login_attempts SET attempts = GREATEST(attempts - 1, 0), paused_until = 'epoch' WHERE key = $1`
	if all {
		statement = `DELETE FROM login_attempts WHERE key = $1`
	}
	if _, err := s.db.Pool.Exec(ctx, statement, key); err != nil {
		return fmt.Errorf("forgive sign-in attempt: %w", err)
	}
	return nil
}
