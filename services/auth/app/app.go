// Package app assembles the auth service out of its parts: stores, endpoints,
// and the work that goes on in the background.
//
// Listening, mutual TLS, telemetry and health belong to the command that runs
// it; every rule belongs to the package of its endpoint.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/bus"
	"gatehouse.example/internal/config"
	"gatehouse.example/internal/database"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/pluginhost"
	"gatehouse.example/services/auth/keyring"
	"gatehouse.example/services/auth/masterkey"
	"gatehouse.example/services/auth/password"
	"gatehouse.example/services/auth/postgres"
	"gatehouse.example/services/auth/setup"
)

// SetupLinkLifetime is how long a link to the first administrator's account
// works.
const SetupLinkLifetime = 24 * time.Hour

const defaultAccessTokenLifetime = 5 * time.Minute

// Options configures [New].
type Options struct {
	Config config.Auth
	// Issuer is the public address; every absolute URL starts with it.
	Issuer string
	// Environment is part of each API key. Zero: "dev".
	Environment string
	// DataDir is the folder that a relative Config.MasterKeyFile is below.
	DataDir string
	// MasterKeyFile replaces Config.MasterKeyFile. Zero for both:
	// "keys/master.key".
	MasterKeyFile string
	DB            *database.DB
	// Bus carries events and revocations. nil, in tests alone: nothing is
	// told to anybody.
	Bus      *bus.Bus
	Verifier *identity.Verifier
	Users    *userapi.Client
	// Plugins runs the providers of Config. nil: there must be none.
	Plugins *pluginhost.Host
	// PasswordCost is for new password hashes. Zero: [password.DefaultParameters];
	// less is for tests alone.
	PasswordCost password.Parameters
	// BootstrapClient exists in this process alone; nil outside of dev.
	BootstrapClient *BootstrapClient
	Logger          *slog.Logger
	// Registry takes the service's own metrics; nil keeps none.
	Registry *prometheus.Registry
	// Now is the clock. nil: time.Now.
	Now func() time.Time
}

// App is the auth service. It is safe for concurrent use.
type App struct {
	options Options
	parts   *parts
	router  *router
}

// New loads or makes the keys and assembles the service. It starts nothing but
// the plugins of social sign-in.
func New(ctx context.Context, o Options) (*App, error) {
	if err := fillIn(&o); err != nil {
		return nil, err
	}
	master, err := masterkey.LoadOrCreate(o.MasterKeyFile, func() error { return keyring.Unused(ctx, postgres.NewSigningKeys(o.DB)) })
	if err != nil {
		return nil, err
	}
	p, err := newParts(ctx, o, master)
	if err != nil {
		return nil, err
	}
	if p.social, err = newSocialParts(ctx, o, p); err != nil {
		return nil, err
	}
	if o.Registry != nil {
		if err := o.Registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "gatehouse_auth_password_checks_waiting", Help: "Password checks that wait for their turn.",
		}, func() float64 { return float64(p.hasher.Waiting()) })); err != nil {
			return nil, fmt.Errorf("register metrics of auth: %w", err)
		}
	}
	r, err := routes(o, p)
	if err != nil {
		return nil, err
	}
	return &App{options: o, parts: p, router: r}, nil
}

func fillIn(o *Options) error {
	switch {
	case o.DB == nil, o.Users == nil, o.Verifier == nil:
		return errors.New("auth needs a database, the user service and a verifier of internal tokens")
	case o.Issuer == "":
		return errors.New("auth needs an issuer")
	}
	// RFC 8414 §2 compares issuers as texts; paths are joined to it here.
	o.Issuer = strings.TrimSuffix(o.Issuer, "/")
	if o.Environment == "" {
		o.Environment = "dev"
	}
	if o.MasterKeyFile == "" {
		o.MasterKeyFile = o.Config.MasterKeyFile
	}
	if o.MasterKeyFile == "" {
		o.MasterKeyFile = filepath.Join("keys", "master.key")
	}
	if !filepath.IsAbs(o.MasterKeyFile) {
		o.MasterKeyFile = filepath.Join(o.DataDir, o.MasterKeyFile)
	}
	if o.Config.AccessTokenLifetime <= 0 {
		o.Config.AccessTokenLifetime = defaultAccessTokenLifetime
	}
	if o.Config.MaxConcurrentHashes <= 0 {
		o.Config.MaxConcurrentHashes = runtime.GOMAXPROCS(0)
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	now := o.Now
	if now == nil {
		now = time.Now
	}
	// As exact as the database is: what is answered now is what is read later.
	o.Now = func() time.Time { return now().UTC().Truncate(time.Microsecond) }
	return nil
}

// Handler returns everything that the service answers, including
// /internal/v1. It expects mutual TLS around it.
func (a *App) Handler() http.Handler { return a.router.mux }

// Operations returns everything that the edge can reach, pages and API, as
// "METHOD /path/{id}" in alphabetical order.
func (a *App) Operations() []string {
	return slices.Sorted(slices.Values(a.router.operations))
}

// Ready reports whether the database answers. The bus does not count: while it
// is away requests are served, and what they tell waits in the outbox.
func (a *App) Ready(ctx context.Context) error {
	return a.options.DB.Ready(ctx)
}

// SetupLink makes a one-time link to the first administrator's account, in
// place of the one before. It returns "" once an administrator was made by one.
func (a *App) SetupLink(ctx context.Context) (string, error) {
	return setup.NewLink(ctx, a.parts.setupLinks, a.options.Issuer, SetupLinkLifetime, a.options.Now())
}
