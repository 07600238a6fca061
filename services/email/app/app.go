// Package app assembles the email service: store, templates, transport plugin,
// the consumer of events, the sender, and the HTTP API with the development
// mailbox.
//
// It listens on nothing and owns neither database, bus nor plugin host: the
// server around [App.Handler], with mutual TLS, telemetry, /healthz and
// /readyz, and the order of starting and stopping are internal/cli's.
package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"gatehouse.example/configs/templates"
	"gatehouse.example/internal/api/authapi"
	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/audit/refusals"
	"gatehouse.example/internal/bus"
	"gatehouse.example/internal/config"
	"gatehouse.example/internal/database"
	"gatehouse.example/internal/event"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/outbox"
	"gatehouse.example/internal/pluginhost"
	"gatehouse.example/internal/problem"
	"gatehouse.example/services/email"
	"gatehouse.example/services/email/mailbox"
	notifications "gatehouse.example/services/email/notification/app"
	notificationrest "gatehouse.example/services/email/notification/rest"
	"gatehouse.example/services/email/postgres"
	"gatehouse.example/services/email/render"
	"gatehouse.example/services/email/rest"
)

// consumer is the durable name under which the service reads events.
const consumer = "email"

// maxPending is how many events are at work at once.
const maxPending = 8

// Options configures [New].
type Options struct {
	Config      config.Email
	Issuer      string
	Environment string
	// DataDir is what a relative "directory" in a transport's configuration is
	// relative to.
	DataDir string
	// DB is open with the service's role and schema. Required.
	DB *database.DB
	// Bus brings the events. Required for Run.
	Bus *bus.Bus
	// Verifier checks internal tokens. Required.
	Verifier *identity.Verifier
	// Table says who may call what; nil is identity.DefaultTable.
	Table identity.Table
	// Auth is asked for links. Required.
	Auth *authapi.Client
	// Users is asked for addresses, languages, and whether somebody is there.
	// Required.
	Users *userapi.Client
	// Plugins runs the transport. Required. Its owner stops it after Run.
	Plugins *pluginhost.Host
	// Templates are the operator's LOCALE/NAME/{subject.txt,body.txt,body.html}
	// and en/NAME/meta.yaml, which replace and add to the embedded ones; may be
	// nil. Config.Templates is the caller's to open.
	Templates fs.FS
	// MailboxDir is the folder that /dev/mailbox shows; empty means the
	// "directory" of the transport's configuration. With Config.DevMailbox only.
	MailboxDir string
	// Logger is nil for slog.Default.
	Logger *slog.Logger
	// Registry takes the service's metrics; nil takes none.
	Registry *prometheus.Registry
	// Now is nil for time.Now.
	Now func() time.Time
}

// App is the email service. It is safe for concurrent use.
type App struct {
	db       *database.DB
	bus      *bus.Bus
	plugin   *pluginhost.Plugin
	receiver *email.Receiver
	sender   *email.Sender
	relay    *outbox.Relay
	refusals *refusals.Watcher
	sweeper  sweeper
	handler  http.Handler
	logger   *slog.Logger

	notifications *notifications.App
}

// New assembles the service and starts the configured transport plugin; only
// that one. Nothing else runs before [App.Run].
func New(ctx context.Context, o Options) (*App, error) {
	if o.DB == nil || o.Verifier == nil || o.Auth == nil || o.Users == nil || o.Plugins == nil {
		return nil, errors.New("the email service needs a database, a verifier, clients of auth and user, and a plugin host")
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Table == nil {
		o.Table = identity.DefaultTable()
	}
	texts, err := loadTemplates(o.Templates)
	if err != nil {
		return nil, err
	}
	renderer, err := render.New(texts, o.Config.From, o.Issuer)
	if err != nil {
		return nil, fmt.Errorf("email.from: %w", err)
	}
	finished, err := countOutcomes(o.Registry)
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	store := postgres.New(o.DB)
	a := &App{db: o.DB, bus: o.Bus, sweeper: newSweeper(o, store), logger: o.Logger}
	a.refusals = refusals.New(refusals.Options{Service: "email", Recorder: audit.NewLog(o.DB), Logger: o.Logger, Now: o.Now})
	if o.Bus != nil {
		a.relay = outbox.NewRelay(outbox.RelayOptions{DB: o.DB, Publish: o.Bus.Publish, Logger: o.Logger})
	}
	if a.notifications, err = newNotifications(o); err != nil {
		return nil, err
	}
	if a.handler, err = routes(o, a.refusals.Watch(a.messagesAPI(o, store, texts)), a.refusals.Watch(a.notifications.Handler())); err != nil {
		return nil, err
	}
	transport, err := a.startTransport(ctx, o)
	if err != nil {
		return nil, err
	}
	a.sender = email.NewSender(email.SenderOptions{
		Queue: store, Links: links{auth: o.Auth}, Accounts: accounts{o.Users}, Preferences: a.notifications.Preferences(),
		Catalog: texts, Suppressions: store, Renderer: renderer, Transport: transport, TransportName: o.Config.Transport,
		MaxAttempts: o.Config.MaxAttempts, Backoff: o.Config.Backoff, MaxBackoff: o.Config.MaxBackoff, AttemptTimeout: o.Config.AttemptTimeout,
		Finished: finished, Now: o.Now, Logger: o.Logger,
	})
	a.receiver = email.NewReceiver(store, o.Now, a.sender.Wake)
	return a, nil
}

// loadTemplates reads the built-in templates and the operator's.
func loadTemplates(own fs.FS) (*render.Templates, error) {
	if own == nil {
		return render.Load(templates.FS())
	}
	return render.Load(templates.FS(), own)
}

// messagesAPI is for administrators and clients.
func (a *App) messagesAPI(o Options, store *postgres.Store, texts *render.Templates) http.Handler {
	desk := email.NewDesk(email.DeskOptions{
		Store: store, Archive: store, Catalog: texts, Accounts: accounts{o.Users}, Suppressions: store,
		Queued: func() { a.sender.Wake() }, Now: o.Now,
	})
	return rest.New(rest.Options{Archive: store, Desk: desk, Catalog: texts, Suppressions: store, Now: o.Now})
}

// routes puts each API behind its entry of the allow-table.
func routes(o Options, api, inbox http.Handler) (http.Handler, error) {
	authenticate := identity.Authenticate(o.Verifier)
	mux := http.NewServeMux()
	mux.Handle("/v1/", authenticate(identity.Allow(o.Table, identity.OperationEdge, api)))
	mux.Handle(notificationrest.Root, authenticate(identity.Allow(o.Table, identity.OperationEdge, inbox)))
	mux.Handle(notificationrest.Root+"/", authenticate(identity.Allow(o.Table, identity.OperationEdge, inbox)))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, r, problem.New(http.StatusNotFound, "not_found", "there is nothing at this path"))
	})
	if !o.Config.DevMailbox {
		return mux, nil
	}
	dir, err := mailboxDir(o)
	if err != nil {
		return nil, err
	}
	caught := authenticate(identity.Allow(o.Table, identity.OperationEdge, mailbox.New(dir)))
	// The mailbox goes by the machine, not by a credential: one that came along
	// is none of its business.
	open := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Authorization")
		caught.ServeHTTP(w, r)
	})
	mux.Handle("/dev/mailbox", open)
	mux.Handle("/dev/mailbox/", open)
	return mux, nil
}

// Handler serves /v1 and, where configured, /dev/mailbox. The request's TLS
// state and internal token say who calls.
func (a *App) Handler() http.Handler { return a.handler }

// Operations returns every operation that the service has at the edge, as
// "METHOD /path/{id}". The development mailbox is none: it goes by the machine.
func (a *App) Operations() []string {
	return append(rest.Operations(), a.notifications.Operations()...)
}

// Run consumes events, sends mails, records refusals, tells audit records and removes old
// messages until ctx is done, and waits for the attempts under way.
func (a *App) Run(ctx context.Context) error {
	if a.bus == nil {
		return errors.New("the email service needs a bus to run")
	}
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() error {
		err := a.bus.Consume(ctx, bus.Consumer{
			Name: consumer, Types: email.EventTypes(), Handle: a.handle,
			// Mails need no order, so one that waits holds up no other.
			MaxAckPending: maxPending, Logger: a.logger,
		})
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("consume events: %w", err)
	})
	work.Go(func() error { return a.sender.Run(ctx) })
	work.Go(func() error { return a.relay.Run(ctx) })
	work.Go(func() error { a.sweeper.run(ctx, a.db); return nil })
	work.Go(func() error { return a.notifications.Run(ctx) })
	work.Go(func() error { _ = a.refusals.Run(ctx); return nil }) // ends with ctx alone
	return work.Wait()
}

func (a *App) handle(ctx context.Context, e event.Event) error {
	err := a.receiver.Handle(ctx, e)
	if errors.Is(err, email.ErrMalformed) {
		return bus.Permanent(err)
	}
	return err
}

// Ready reports whether the database answers and what was revoked is known. Bus
// and transport plugin do not count: while they are away requests are served,
// and mails wait.
func (a *App) Ready(ctx context.Context) error {
	if err := a.db.Ready(ctx); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	if a.bus != nil {
		if err := a.notifications.Ready(); err != nil {
			return err
		}
	}
	return nil
}

func countOutcomes(registry *prometheus.Registry) (func(email.Message, email.Outcome), error) {
	attempts := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gatehouse_email_attempts_total",
		Help: "Attempts to send a message, by how they ended.",
	}, []string{"template", "outcome"})
	if registry != nil {
		if err := registry.Register(attempts); err != nil {
			return nil, err
		}
	}
	return func(m email.Message, o email.Outcome) {
		attempts.WithLabelValues(m.Template, string(o.State)).Inc()
	}, nil
}
