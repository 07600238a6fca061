package app

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse.example/services/user"
)

const (
	defaultPendingRetention = 24 * time.Hour
	defaultDeletedRetention = 720 * time.Hour
	// The sweeper looks ten times within the shorter retention, but not more
	// nor less often than this.
	minSweepInterval = time.Second
	maxSweepInterval = 10 * time.Minute
	sweepLease       = "user-sweep"
	leaseTTL         = 30 * time.Second
)

func sweepMetric() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gatehouse_user_swept_total",
		Help: "Users that were removed: unfinished registrations, and deleted accounts after their retention.",
	}, []string{"what"})
}

// sweepOn sweeps while this process holds the lease, and stands by otherwise.
func (a *App) sweepOn(ctx context.Context) {
	for ctx.Err() == nil {
		err := a.db.Lease(ctx, sweepLease, leaseTTL, func(ctx context.Context, _ int64) error {
			return a.sweepEver(ctx)
		})
		if err != nil && ctx.Err() == nil {
			a.logger.WarnContext(ctx, "sweep of users stopped; it goes on later", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(leaseTTL):
		}
	}
}

func (a *App) sweepEver(ctx context.Context) error {
	shorter := min(orDefault(a.config.PendingRetention, defaultPendingRetention), orDefault(a.config.DeletedRetention, defaultDeletedRetention))
	tick := time.NewTicker(min(max(shorter/10, minSweepInterval), maxSweepInterval))
	defer tick.Stop()
	for {
		if err := a.sweep(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// sweep removes what is over by now. That one part fails does not hold up the
// other.
func (a *App) sweep(ctx context.Context) error {
	var all error
	for _, part := range []struct {
		what      user.Remains
		run       func(context.Context, time.Duration) (int, error)
		retention time.Duration
	}{
		{user.Unfinished, a.accounts.Sweep, orDefault(a.config.PendingRetention, defaultPendingRetention)},
		{user.Deleted, a.accounts.Erase, orDefault(a.config.DeletedRetention, defaultDeletedRetention)},
	} {
		n, err := part.run(ctx, part.retention)
		if n > 0 {
			a.swept.WithLabelValues(string(part.what)).Add(float64(n))
			a.logger.InfoContext(ctx, "users removed", "what", string(part.what), "count", n)
		}
		all = errors.Join(all, err)
	}
	return all
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}
