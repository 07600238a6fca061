package notification

import (
	"context"
	"fmt"
	"slices"
	"time"
)

const (
	// sweepBatch keeps one statement short.
	sweepBatch = 1000
	// keyLifetime is how long an idempotency key is remembered.
	keyLifetime = 24 * time.Hour
)

// Sweep removes notifications that are older than retention, and old
// idempotency keys, and calls notify for each person that lost some. It
// returns how many notifications. A retention of 0 keeps them forever.
func Sweep(ctx context.Context, s Sweeper, now time.Time, retention time.Duration, notify func(ctx context.Context, userID string)) (int, error) {
	total := 0
	var before time.Time
	if retention > 0 {
		before = now.Add(-retention)
	}
	for {
		users, removed, err := s.Sweep(ctx, before, now.Add(-keyLifetime), sweepBatch)
		if err != nil {
			return total, fmt.Errorf("sweep notifications: %w", err)
		}
		total += removed
		slices.Sort(users)
		for _, u := range slices.Compact(users) {
			notify(ctx, u)
		}
		if removed < sweepBatch {
			return total, nil
		}
	}
}
