// Package app assembles the notifications of the email service: store, consumer
// of events, REST API, live streams, and the sweep of what is old.
//
// It listens on nothing, authenticates nobody and owns neither database nor
// bus: the handler's place behind authentication, and mails, are
// services/email/app's.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"gatehouse.example/internal/bus"
	"gatehouse.example/internal/database"
	"gatehouse.example/internal/event"
	"gatehouse.example/services/email/notification"
	"gatehouse.example/services/email/notification/postgres"
	"gatehouse.example/services/email/notification/rest"
	"gatehouse.example/services/email/notification/stream"
)

const (
	// maxPending is how many events are at work at once.
	maxPending = 8
	// sweepInterval is how often old notifications are looked for.
	sweepInterval = 10 * time.Minute
	sweepLease    = "email-notifications-sweep"
	leaseTTL      = 30 * time.Second
)

// Options configures [New].
type Options struct {
	// DB is open with the service's role and schema. Required.
	DB *database.DB
	// Bus brings events, notices and revocations. Required for Run.
	Bus *bus.Bus
	// Users is asked whether somebody is there. Required.
	Users rest.Accounts
	// Retention is how long a notification is kept; 0 means forever.
	Retention time.Duration
	// Heartbeat, Lifetime and WriteTimeout are those of [stream.Options].
	Heartbeat, Lifetime, WriteTimeout time.Duration
	// Logger is nil for slog.Default.
	Logger *slog.Logger
	// Registry takes the metrics; nil takes none.
	Registry *prometheus.Registry
	// Now is nil for time.Now.
	Now func() time.Time
}

// App is the notifications of one process. It is safe for concurrent use.
type App struct {
	db        *database.DB
	bus       *bus.Bus
	store     *postgres.Store
	receiver  *notification.Receiver
	hub       *stream.Hub
	api       *rest.API
	retention time.Duration
	now       func() time.Time
	logger    *slog.Logger
}

// New assembles the notifications. Nothing runs before [App.Run].
func New(o Options) (*App, error) {
	if o.DB == nil || o.Users == nil {
		return nil, errors.New("notifications need a database and a client of user")
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	a := &App{db: o.DB, bus: o.Bus, store: postgres.New(o.DB), retention: o.Retention, now: o.Now, logger: o.Logger}
	a.receiver = notification.NewReceiver(a.store, a.now, a.notify)
	a.hub = stream.New(stream.Options{
		Bus: o.Bus, Feed: a.store, Represent: rest.Represent,
		Heartbeat: o.Heartbeat, Lifetime: o.Lifetime, WriteTimeout: o.WriteTimeout, Logger: o.Logger,
	})
	a.api = rest.New(rest.Options{
		Inbox: a.store, Choices: a.store, Creator: a.store, Accounts: o.Users, Stream: a.hub, Notify: a.notify, Now: a.now,
	})
	if o.Registry == nil {
		return a, nil
	}
	err := o.Registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gatehouse_email_notification_streams",
		Help: "Live streams of notifications that are open in this process.",
	}, func() float64 { return float64(a.hub.Streams()) }))
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return a, nil
}

// Handler serves everything below [rest.Root] to the principal in the request's
// context.
func (a *App) Handler() http.Handler { return a.api }

// Operations returns each route as "METHOD /path/{id}".
func (a *App) Operations() []string { return a.api.Operations() }

// Preferences knows what people want to be told.
func (a *App) Preferences() notification.Preferences { return a.store }

// Ready reports whether streams are let in.
func (a *App) Ready() error { return a.hub.Ready() }

// Drain ends all streams and lets none in any more.
func (a *App) Drain() { a.hub.Drain() }

// notify tells the streams of all processes to look. It may be lost: they look
// by themselves after a while.
func (a *App) notify(ctx context.Context, userID string) {
	if a.bus == nil {
		return
	}
	if err := a.bus.Notify(ctx, event.NoticeNotification(userID), []byte(userID)); err != nil {
		a.logger.DebugContext(ctx, "notice of a notification", "error", err)
	}
}

// Run consumes events, serves streams and removes what is old until ctx is done,
// and waits for all of that.
func (a *App) Run(ctx context.Context) error {
	if a.bus == nil {
		return errors.New("notifications need a bus to run")
	}
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() error {
		err := a.bus.Consume(ctx, bus.Consumer{
			Name: postgres.Consumer, Types: notification.EventTypes(), Handle: a.handle,
			// They may come in any order; see Receiver.Handle.
			MaxAckPending: maxPending, Logger: a.logger,
		})
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("consume events: %w", err)
	})
	work.Go(func() error { return a.hub.Run(ctx) })
	work.Go(func() error { a.sweepOn(ctx); return nil })
	return work.Wait()
}

func (a *App) handle(ctx context.Context, e event.Event) error {
	err := a.receiver.Handle(ctx, e)
	if errors.Is(err, notification.ErrMalformed) {
		return bus.Permanent(err)
	}
	return err
}

// sweepOn removes what is old while this process holds the lease, and stands by
// otherwise.
func (a *App) sweepOn(ctx context.Context) {
	for ctx.Err() == nil {
		err := a.db.Lease(ctx, sweepLease, leaseTTL, func(ctx context.Context, _ int64) error {
			return a.sweep(ctx)
		})
		if err != nil && ctx.Err() == nil {
			a.logger.WarnContext(ctx, "sweep of notifications stopped; it goes on later", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(leaseTTL):
		}
	}
}

func (a *App) sweep(ctx context.Context) error {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		removed, err := notification.Sweep(ctx, a.store, a.now(), a.retention, a.notify)
		if removed > 0 {
			a.logger.InfoContext(ctx, "old notifications removed", "count", removed)
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
