// Package app assembles the user service: store, use cases, public and internal
// API, and the background work (outbox relay, sweep of unfinished
// registrations, erasure of deleted accounts).
//
// It listens on nothing: the server around [App.Handler], with mutual TLS,
// telemetry, /healthz and /readyz, is internal/cli's.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/audit/refusals"
	"gatehouse.example/internal/bus"
	"gatehouse.example/internal/config"
	"gatehouse.example/internal/database"
	"gatehouse.example/internal/event"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/outbox"
	"gatehouse.example/services/user"
	"gatehouse.example/services/user/internalapi"
	"gatehouse.example/services/user/postgres"
	"gatehouse.example/services/user/rest"
)

// Options configures [New].
type Options struct {
	// Config is the service's section. Its files are named by absolute paths.
	Config      config.User
	Issuer      string
	Environment string
	DataDir     string
	// Version is the program's, for the OpenAPI document.
	Version string
	// DB is open with the service's role and schema. Required.
	DB *database.DB
	// Bus takes the events. Required for Run.
	Bus *bus.Bus
	// Verifier checks internal tokens. Required.
	Verifier *identity.Verifier
	// Table says who may call what; nil is identity.DefaultTable.
	Table identity.Table
	// Logger is nil for slog.Default.
	Logger *slog.Logger
	// Registry takes the service's metrics; nil takes none.
	Registry *prometheus.Registry
	// Now is nil for time.Now.
	Now func() time.Time
}

// App is the user service. It is safe for concurrent use.
type App struct {
	accounts    *user.Accounts
	preferences *user.Preferences
	roles       *user.Roles
	handler     http.Handler
	public      *rest.API
	relay       *outbox.Relay
	refusals    *refusals.Watcher
	db          *database.DB
	config      config.User
	logger      *slog.Logger
	swept       *prometheus.CounterVec
}

// New assembles the service. It starts nothing.
func New(_ context.Context, o Options) (*App, error) {
	if o.DB == nil || o.Verifier == nil {
		return nil, errors.New("the user service needs a database and a verifier")
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Table == nil {
		o.Table = identity.DefaultTable()
	}
	attributes, preferences, err := schemas(o.Config)
	if err != nil {
		return nil, err
	}
	store := postgres.New(o.DB)
	options := user.Options{Now: o.Now, Notify: notifier(o.Bus), Attributes: attributes, Logger: o.Logger,
		DeletedRetention: orDefault(o.Config.DeletedRetention, defaultDeletedRetention)}
	a := &App{
		accounts:    user.NewAccounts(store, options),
		roles:       user.NewRoles(store, options),
		preferences: user.NewPreferences(store, preferences, o.Now),
		db:          o.DB, config: o.Config, logger: o.Logger, swept: sweepMetric(),
		refusals: refusals.New(refusals.Options{
			Service: "user", Recorder: audit.NewLog(o.DB), Conflicts: []string{rest.CodeLastAdmin}, Logger: o.Logger, Now: o.Now,
		}),
	}
	if o.Registry != nil {
		if err := o.Registry.Register(a.swept); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	if o.Bus != nil {
		a.relay = outbox.NewRelay(outbox.RelayOptions{
			DB: o.DB, Logger: o.Logger,
			Publish: func(ctx context.Context, e event.Event) error { return o.Bus.Publish(ctx, e) },
		})
	}
	a.handler, err = a.routes(o)
	return a, err
}

// notifier sends notices over b; nil sends none.
func notifier(b *bus.Bus) user.Notify {
	if b == nil {
		return nil
	}
	return b.Notify
}

// routes puts each API behind its entry of the allow-table.
func (a *App) routes(o Options) (http.Handler, error) {
	var err error
	a.public, err = rest.New(rest.Options{
		Accounts: a.accounts, Preferences: a.preferences, Roles: a.roles, Version: o.Version, Logger: o.Logger,
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	for _, op := range internalapi.Operations(a.accounts, a.accounts, a.roles) {
		mux.Handle(op.Pattern, identity.Allow(o.Table, op.Name, op.Handler))
	}
	mux.Handle("/", identity.Allow(o.Table, identity.OperationEdge, a.refusals.Watch(a.public)))
	return identity.Authenticate(o.Verifier)(mux), nil
}

// Handler serves /v1 and /internal/v1. The request's TLS state and internal
// token say who calls.
func (a *App) Handler() http.Handler { return a.handler }

// Operations returns what the handler serves at the edge, each as "METHOD
// /path/{parameter}".
func (a *App) Operations() []string { return a.public.Operations() }

// Run relays events, records refusals and sweeps unfinished registrations until
// ctx is done, and waits for all of it.
func (a *App) Run(ctx context.Context) error {
	if a.relay == nil {
		return errors.New("the user service needs a bus to run")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var beside sync.WaitGroup
	beside.Go(func() { a.sweepOn(ctx) })
	beside.Go(func() { _ = a.refusals.Run(ctx) }) // ends with ctx alone
	err := a.relay.Run(ctx)
	cancel()
	beside.Wait()
	return err
}

// Ready reports whether the database answers. The bus does not count: while it
// is away requests are served, and their events wait in the outbox.
func (a *App) Ready(ctx context.Context) error {
	if err := a.db.Ready(ctx); err != nil {
		return fmt.Errorf("user service: %w", err)
	}
	return nil
}
