// Package app owns the gateway as a whole: it puts the parts together and
// leads each exchange through them, in this order: edge, route, filters,
// require, body, upstream, and the filters' response phases back.
//
// The parts know nothing of one another beyond gateway/exchange. Which process
// runs the gateway, and what it is configured with beyond its file, is decided
// in internal/cli.
package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"gatehouse.example/gateway/admin"
	"gatehouse.example/gateway/config"
	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/filter"
	"gatehouse.example/gateway/listener"
	"gatehouse.example/gateway/proxy"
	"gatehouse.example/gateway/reload"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/mtls"
)

// Options configure an [App].
type Options struct {
	// ConfigFile is the path of gateway.yaml.
	ConfigFile string
	// Listen and ListenTLS replace the file's plain and TLS listeners by one
	// at that address; "" leaves the file's.
	Listen, ListenTLS string
	// DevCertificate serves listeners of tls mode dev; nil refuses them.
	DevCertificate *tls.Certificate
	// Bundle is the gateway's identity towards services.
	Bundle *mtls.Bundle
	// Resolve returns the address of a service.
	Resolve func(service string) (addr string, ok bool)
	// Filters builds filters.
	Filters filter.Builder
	// Issuer is the public base URL, for challenges (RFC 9728 §5.1).
	Issuer string
	// AdminListen is host:port for reading, AdminSocket a path for writing;
	// "" leaves each out.
	AdminListen, AdminSocket string
	// Logger takes the access log too.
	Logger *slog.Logger
	// Registry takes the gateway's metrics.
	Registry *prometheus.Registry
	// Gatherer is what the admin API shows; nil is Registry.
	Gatherer prometheus.Gatherer
	// Tracer makes spans; nil makes none and passes traceparent on.
	Tracer trace.TracerProvider
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Ready is asked for readiness beyond configuration and services; nil is
	// ready.
	Ready func(ctx context.Context) error
}

// App is a gateway whose sockets are bound.
type App struct {
	options   Options
	manager   *reload.Manager
	pipeline  *pipeline
	listeners []*listener.Listener
	addresses Addresses
	admin     *admin.Server
	drain     time.Duration
}

// Addresses are bound addresses, host:port with the real port; "" is none.
type Addresses struct {
	// HTTP and HTTPS are the first plain and the first TLS listener.
	HTTP, HTTPS string
	// Admin is the read-only admin API.
	Admin string
}

// New loads the configuration, builds its filters and binds the listeners; a
// client that connects waits for [App.Run].
//
// # Errors
//
// An error of the file names line and column; one of an address names it.
func New(ctx context.Context, o Options) (*App, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	if o.Gatherer == nil {
		o.Gatherer = o.Registry
	}
	metrics, err := newMetrics(o.Registry)
	if err != nil {
		return nil, err
	}
	var tokens *proxy.Tokens
	if o.Bundle != nil {
		tokens = proxy.NewTokens(identity.NewMinter(o.Bundle, o.Now), o.Now)
	}
	a := &App{options: o}
	a.manager, err = reload.New(ctx, reload.Options{
		File: o.ConfigFile, Filters: o.Filters, Logger: o.Logger, Registry: o.Registry, Now: o.Now,
		NewUpstream: func(c config.Upstream) (*proxy.Upstream, error) {
			if err := knownServices(c, o.Resolve); err != nil {
				return nil, err
			}
			if c.IdentityToken && tokens == nil {
				return nil, fmt.Errorf("upstream %q: identity: token needs the gateway's own identity", c.Name)
			}
			return proxy.New(proxy.Options{
				Config: c, Bundle: o.Bundle, Resolve: o.Resolve, Tokens: tokens, Logger: o.Logger, Now: o.Now,
			})
		},
	})
	if err != nil {
		return nil, err
	}
	a.pipeline = newPipeline(a, metrics)
	if err := a.bind(metrics); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// knownServices refuses a service that does not exist, as an upstream that does
// not exist is refused: nobody can reach it, and the gateway would never be
// ready.
func knownServices(c config.Upstream, resolve func(service string) (string, bool)) error {
	for _, t := range c.Targets {
		if t.Service == "" || resolve == nil {
			continue
		}
		if _, ok := resolve(t.Service); !ok {
			return fmt.Errorf("there is no service %q, or its address is not configured", t.Service)
		}
	}
	return nil
}

func (a *App) bind(metrics *metrics) error {
	snapshot := a.manager.Acquire()
	defer snapshot.Release()
	a.drain = snapshot.Config.Limits.DrainTimeout
	for _, c := range a.wanted(snapshot.Config.Listeners) {
		o := listener.Options{
			Address: c.Address, Limits: snapshot.Config.Limits, Handler: a.pipeline, Logger: a.options.Logger,
			Rejected: metrics.reject, DropTrailer: exchange.Forged,
		}
		var err error
		if o.TLS, err = a.tlsConfig(c); err != nil {
			return err
		}
		l, err := listener.Open(o)
		if err != nil {
			return fmt.Errorf("%s: %w", a.options.ConfigFile, err)
		}
		a.listeners = append(a.listeners, l)
		first := &a.addresses.HTTP
		if c.TLS != nil {
			first = &a.addresses.HTTPS
		}
		if *first == "" {
			*first = l.Addr().String()
		}
	}
	var err error
	a.admin, err = admin.Open(admin.Options{
		Listen: a.options.AdminListen, Socket: a.options.AdminSocket, Gatherer: a.options.Gatherer,
		Ready: a.Ready, Reload: a.Reload, Routes: a.routes, Logger: a.options.Logger,
	})
	if err == nil && a.admin.Addr() != nil {
		a.addresses.Admin = a.admin.Addr().String()
	}
	return err
}

// wanted is the file's listeners after the overrides.
func (a *App) wanted(file []config.Listener) []config.Listener {
	var out []config.Listener
	plain, secure := a.options.Listen, a.options.ListenTLS
	for _, l := range file {
		override := &plain
		if l.TLS != nil {
			override = &secure
		}
		if *override == "" && (l.TLS != nil && a.options.ListenTLS != "" || l.TLS == nil && a.options.Listen != "") {
			continue // the override replaced them all
		}
		if *override != "" {
			l.Address = *override
			*override = ""
		}
		out = append(out, l)
	}
	// The file may have none of the kind.
	if plain != "" {
		out = append(out, config.Listener{Address: plain})
	}
	if secure != "" {
		out = append(out, config.Listener{Address: secure, TLS: &config.TLS{Mode: "dev"}})
	}
	return out
}

func (a *App) tlsConfig(c config.Listener) (*tls.Config, error) {
	if c.TLS == nil {
		return nil, nil
	}
	cert := a.options.DevCertificate
	if c.TLS.Mode == "file" {
		loaded, err := tls.LoadX509KeyPair(c.TLS.Certificate, c.TLS.Key)
		if err != nil {
			return nil, fmt.Errorf("listener %s: %w", c.Address, err)
		}
		cert = &loaded
	}
	if cert == nil {
		return nil, fmt.Errorf("listener %s: tls mode dev needs the certificate that only \"gatehouse dev\" makes: remove the listener, or give it mode: file with certificate and key", c.Address)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
	}, nil
}

// Addresses returns the bound addresses.
func (a *App) Addresses() Addresses { return a.addresses }

// Reload loads the configuration now; for SIGHUP and the admin API. A bad file
// changes nothing.
func (a *App) Reload(ctx context.Context) error { return a.manager.Reload(ctx) }

// Run serves until ctx is done, then drains for at most the configured time.
func (a *App) Run(ctx context.Context) error {
	defer a.close()
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	failures := make(chan error, len(a.listeners)+2)
	start := func(run func() error) {
		group.Go(func() {
			if err := run(); err != nil {
				failures <- err
				cancel()
			}
		})
	}
	for _, l := range a.listeners {
		start(l.Serve)
	}
	start(func() error { return a.manager.Run(inner) })
	start(func() error { return a.admin.Run(inner) })
	<-inner.Done()
	a.pipeline.draining.Store(true)
	if err := a.shutdown(); err != nil {
		a.options.Logger.Warn("requests were cut off", "error", err)
	}
	group.Wait()
	close(failures)
	var all []error
	for err := range failures {
		all = append(all, err)
	}
	return errors.Join(all...)
}

func (a *App) shutdown() error {
	ctx, cancel := context.WithTimeout(context.Background(), a.drain)
	defer cancel()
	errs := make([]error, len(a.listeners))
	var group sync.WaitGroup
	for i, l := range a.listeners {
		group.Go(func() { errs[i] = l.Shutdown(ctx) })
	}
	group.Wait()
	return errors.Join(errs...)
}

func (a *App) close() {
	for _, l := range a.listeners {
		// After a drain there is nothing left to wait for.
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		_ = l.Shutdown(ctx)
		cancel()
	}
	if a.admin != nil {
		a.admin.Close()
	}
	a.manager.Close()
}

// routes describes the routes for the admin API.
func (a *App) routes() []admin.Route {
	s := a.manager.Acquire()
	if s == nil {
		return nil
	}
	defer s.Release()
	return admin.Routes(s.Config)
}
