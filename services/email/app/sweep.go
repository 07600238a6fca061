package app

import (
	"context"
	"log/slog"
	"time"

	"gatehouse.example/internal/database"
	"gatehouse.example/services/email/postgres"
)

const (
	defaultRetention = 90 * 24 * time.Hour
	sweepInterval    = 10 * time.Minute
	sweepLease       = "email-sweep"
	leaseTTL         = 30 * time.Second
)

// sweeper removes messages that are on their way no more.
type sweeper struct {
	store     *postgres.Store
	retention time.Duration
	now       func() time.Time
	logger    *slog.Logger
}

func newSweeper(o Options, store *postgres.Store) sweeper {
	s := sweeper{store: store, retention: o.Config.MessageRetention, now: o.Now, logger: o.Logger}
	if s.retention <= 0 {
		s.retention = defaultRetention
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s
}

// run sweeps while this process holds the lease, and stands by otherwise.
func (s sweeper) run(ctx context.Context, db *database.DB) {
	for ctx.Err() == nil {
		err := db.Lease(ctx, sweepLease, leaseTTL, func(ctx context.Context, _ int64) error { return s.sweep(ctx) })
		if err != nil && ctx.Err() == nil {
			s.logger.WarnContext(ctx, "sweep of old messages stopped; it goes on later", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(leaseTTL):
		}
	}
}

func (s sweeper) sweep(ctx context.Context) error {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		n, err := s.store.Sweep(ctx, s.now().Add(-s.retention))
		if err != nil {
			return err
		}
		if n > 0 {
			s.logger.InfoContext(ctx, "old messages removed", "count", n)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
