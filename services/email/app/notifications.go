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
	// notificationSweepInterval is how often old notifications are looked for.
	notificationSweepInterval = 10 * time.Minute
	notificationSweepLease    = "email-notifications-sweep"
	notificationLeaseTTL      = 30 * time.Second
)

// notifications is the part of the service that keeps people's inboxes.
type notifications struct {
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

func newNotifications(o Options) (*notifications, error) {
	if o.Users == nil {
		return nil, errors.New("the email service needs a client of user")
	}
	n := &notifications{
		db: o.DB, bus: o.Bus, store: postgres.New(o.DB), retention: o.Config.NotificationRetention, now: o.Now, logger: o.Logger,
	}
	if n.now == nil {
		n.now = time.Now
	}
	n.receiver = notification.NewReceiver(n.store, n.now, n.notify)
	n.hub = stream.New(stream.Options{Bus: o.Bus, Feed: n.store, Represent: rest.Represent, Logger: o.Logger})
	n.api = rest.New(rest.Options{
		Inbox: n.store, Choices: n.store, Creator: n.store, Accounts: o.Users, Stream: n.hub, Notify: n.notify, Now: n.now,
	})
	if o.Registry == nil {
		return n, nil
	}
	err := o.Registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gatehouse_email_notification_streams",
		Help: "Live streams of notifications that are open in this process.",
	}, func() float64 { return float64(n.hub.Streams()) }))
	return n, err
}

// notify tells the streams of all processes to look. It may be lost: they look
// by themselves after a while.
func (n *notifications) notify(ctx context.Context, userID string) {
	if n.bus == nil {
		return
	}
	if err := n.bus.Notify(ctx, event.NoticeNotification(userID), []byte(userID)); err != nil {
		n.logger.DebugContext(ctx, "notice of a notification", "error", err)
	}
}

// run consumes events, serves streams and removes what is old until ctx is
// done.
func (n *notifications) run(ctx context.Context) error {
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() error {
		err := n.bus.Consume(ctx, bus.Consumer{
			Name: postgres.Consumer, Types: notification.EventTypes(), Handle: n.handle,
			// They may come in any order; see Receiver.Handle.
			MaxAckPending: maxPending, Logger: n.logger,
		})
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("consume events: %w", err)
	})
	work.Go(func() error { return n.hub.Run(ctx) })
	work.Go(func() error { n.sweepOn(ctx); return nil })
	return work.Wait()
}

func (n *notifications) handle(ctx context.Context, e event.Event) error {
	err := n.receiver.Handle(ctx, e)
	if errors.Is(err, notification.ErrMalformed) {
		return bus.Permanent(err)
	}
	return err
}

// sweepOn removes what is old while this process holds the lease, and stands by
// otherwise.
func (n *notifications) sweepOn(ctx context.Context) {
	for ctx.Err() == nil {
		err := n.db.Lease(ctx, notificationSweepLease, notificationLeaseTTL, func(ctx context.Context, _ int64) error {
			return n.sweep(ctx)
		})
		if err != nil && ctx.Err() == nil {
			n.logger.WarnContext(ctx, "sweep of notifications stopped; it goes on later", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(notificationLeaseTTL):
		}
	}
}

func (n *notifications) sweep(ctx context.Context) error {
	tick := time.NewTicker(notificationSweepInterval)
	defer tick.Stop()
	for {
		removed, err := notification.Sweep(ctx, n.store, n.now(), n.retention, n.notify)
		if removed > 0 {
			n.logger.InfoContext(ctx, "old notifications removed", "count", removed)
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

// LongLived reports whether the answer to r goes on as long as somebody
// listens.
func (a *App) LongLived(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.URL.Path == rest.StreamPath
}

// Drain ends the answers that go on and begins no more of them, so that a server
// that shuts down need not wait for them.
func (a *App) Drain() { a.notifications.hub.Drain() }
