package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"gatehouse.example/internal/bus"
	"gatehouse.example/internal/event"
	"gatehouse.example/internal/outbox"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/postgres"
)

const (
	keyReloadInterval = 30 * time.Second
	sweepInterval     = 10 * time.Minute
	sweepLease        = time.Minute
)

// Run does the background work until ctx is done and waits for it to end: it
// tells events and revocations, ends what people hold who may not any more,
// follows the signing keys, and removes what has expired. It returns the first
// error that is not the end of ctx.
func (a *App) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	work := []func(context.Context) error{a.followKeys, a.sweep, a.parts.usage.Run, a.parts.denials.Run}
	if a.options.Bus != nil {
		relay := outbox.NewRelay(outbox.RelayOptions{DB: a.options.DB, Publish: a.publish, Logger: a.options.Logger})
		work = append(work, relay.Run, a.followUsers, a.followAudit)
	}
	errs := make([]error, len(work))
	var wait sync.WaitGroup
	for i, run := range work {
		wait.Go(func() {
			defer cancel() // one that ends takes the others with it
			if err := run(ctx); err != nil && !errors.Is(err, context.Canceled) {
				errs[i] = err
			}
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

// publish tells an event of the outbox: a revocation to the gateways' list,
// everything else to the stream.
func (a *App) publish(ctx context.Context, e event.Event) error {
	if e.Type != postgres.TypeRevoked {
		return a.options.Bus.Publish(ctx, e)
	}
	var r auth.Revocation
	if err := e.Decode(&r); err != nil {
		return err
	}
	if !a.options.Now().Before(r.Until) {
		return nil // it has expired by itself
	}
	return a.options.Bus.Revoke(ctx, r.Kind, r.ID, r.Until)
}

const usersConsumer = "auth-users"

// followUsers ends what a person holds who was suspended or deleted, or lost a
// role, and forgets who is erased. One event after the other, so that a
// person's come in their order.
func (a *App) followUsers(ctx context.Context) error {
	return a.options.Bus.Consume(ctx, bus.Consumer{
		Name:  usersConsumer,
		Types: postgres.UserEventTypes(),
		Handle: func(ctx context.Context, e event.Event) error {
			return a.parts.userEvents.Apply(ctx, usersConsumer, e, a.options.Now())
		},
		Logger: a.options.Logger,
	})
}

func (a *App) followKeys(ctx context.Context) error {
	return every(ctx, keyReloadInterval, func() {
		if err := a.parts.ring.Reload(ctx); err != nil && ctx.Err() == nil {
			a.options.Logger.WarnContext(ctx, "reload signing keys", slog.Any("error", err))
		}
	})
}

// sweep removes what has expired, in one replica at a time.
func (a *App) sweep(ctx context.Context) error {
	return a.options.DB.Lease(ctx, "auth-sweep", sweepLease, func(ctx context.Context, _ int64) error {
		return every(ctx, sweepInterval, func() {
			removed, err := a.parts.sweeper.Sweep(ctx, a.options.Now())
			switch {
			case err != nil && ctx.Err() == nil:
				a.options.Logger.WarnContext(ctx, "remove what has expired", slog.Any("error", err))
			case removed > 0:
				a.options.Logger.InfoContext(ctx, "removed what has expired", slog.Int64("rows", removed))
			}
		})
	})
}

// every calls do at once and then each interval until ctx is done.
func every(ctx context.Context, interval time.Duration, do func()) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		do()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
