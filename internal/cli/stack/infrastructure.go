package stack

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse.example/internal/bus"
	"gatehouse.example/internal/bus/embedded"
	"gatehouse.example/internal/config"
	"gatehouse.example/internal/database"
	"gatehouse.example/internal/database/localpg"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/mtls"
	"gatehouse.example/internal/telemetry"
	"gatehouse.example/migrations"
)

// Certificates that "dev" issues at each start live a little longer than a
// process should.
const devCertificateTTL = 90 * 24 * time.Hour

// MigrationSets are the services' migrations with their schemas and roles.
func MigrationSets() []database.MigrationSet {
	return []database.MigrationSet{
		{Service: "auth", Schema: "auth", Role: "gatehouse_auth", FS: migrations.Auth, ReadsAudit: true},
		{Service: "user", Schema: "user", Role: "gatehouse_user", FS: migrations.User},
		{Service: "email", Schema: "email", Role: "gatehouse_email", FS: migrations.Email},
	}
}

// infrastructure is what services stand on: database, broker, identities.
type infrastructure struct {
	*lifecycle
	cfg     *config.Config
	version string
	// authority signs identities; nil outside "dev", where they are files.
	authority *mtls.Authority
	// databases are the services' own logins where "dev" made them.
	databases map[string]string
	natsURL   string
	inProcess bus.InProcess
	logs      *telemetry.Telemetry
	output    io.Writer
	// setupLink makes the first administrator's link; auth sets it.
	setupLink func(ctx context.Context) (string, error)
}

// bundle returns a service's identity.
func (i *infrastructure) bundle(service string) (*mtls.Bundle, error) {
	if i.authority != nil {
		return i.authority.IssueService(service, devCertificateTTL)
	}
	dir := i.cfg.ResolveData(i.cfg.TLS.Directory)
	cert, key := filepath.Join(dir, service+".pem"), filepath.Join(dir, service+"-key.pem")
	b, err := mtls.LoadBundle(i.cfg.ResolveData(i.cfg.TLS.CA), cert, key, i.cfg.TLS.TrustDomain)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("identity of %s: %w: make it with `gatehouse cert issue %s`", service, err, service)
	}
	return b, err
}

// openDatabase opens the database with the service's own role and schema.
func (i *infrastructure) openDatabase(ctx context.Context, service string, own config.Secret) (*database.DB, error) {
	for _, set := range MigrationSets() {
		if set.Service != service {
			continue
		}
		o := database.Options{Schema: set.Schema, MaxConns: i.cfg.Database.MaxConnections, Logger: i.logger, AppName: "gatehouse-" + service}
		switch {
		case own != "":
			o.URL = own.Reveal()
		case i.databases[service] != "":
			o.URL = i.databases[service]
		case i.cfg.Database.URL != "":
			o.URL, o.Role = i.cfg.Database.URL.Reveal(), set.Role
		default:
			return nil, fmt.Errorf("%s: neither %s.database_url nor database.url is set: only `gatehouse dev` brings a PostgreSQL of its own; set GATEHOUSE_DATABASE__URL", service, service)
		}
		db, err := database.Open(ctx, o)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", service, err)
		}
		i.onStop(service+" database", func(context.Context) error { db.Close(); return nil })
		return db, nil
	}
	return nil, fmt.Errorf("%s has no database", service)
}

// connectBus connects a process part to NATS.
func (i *infrastructure) connectBus(ctx context.Context, name string) (*bus.Bus, error) {
	o := bus.Options{URL: i.natsURL, Name: "gatehouse-" + name, InProcess: i.inProcess, Logger: i.logger}
	if o.URL == "" {
		o.URL = i.cfg.Bus.URL.Reveal()
	}
	if o.URL == "" {
		return nil, fmt.Errorf("%s: bus.url is not set: only `gatehouse dev` brings a NATS server of its own; set GATEHOUSE_BUS__URL", name)
	}
	b, err := bus.Connect(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	i.onStop(name+" bus", func(context.Context) error { b.Close(); return nil })
	connected := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gatehouse_bus_connected", Help: "Whether a part of the process is connected to NATS.",
		ConstLabels: prometheus.Labels{"part": name},
	}, func() float64 {
		if b.Connected() {
			return 1
		}
		return 0
	})
	if err := i.logs.Registry.Register(connected); err != nil {
		return nil, fmt.Errorf("%s: register metrics: %w", name, err)
	}
	if err := b.EnsureStream(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return b, nil
}

// startNATS starts the embedded server unless an existing one is named.
func (i *infrastructure) startNATS() error {
	if i.cfg.Bus.URL != "" {
		return nil
	}
	server, err := embedded.Start(embedded.Options{Dir: i.cfg.ResolveData("nats"), SyncAlways: true, Logger: i.logger})
	if err != nil {
		return adviseData(i.cfg.Data, err)
	}
	i.onStop("nats", func(context.Context) error { server.Stop(); return nil })
	i.natsURL, i.inProcess = server.URL(), server
	return i.publishBus()
}

// BusFile is the file below the data folder in which "dev" says where its NATS
// server is, for commands that work on events. It holds the server's token.
const BusFile = "nats.json"

// BusAddress is what BusFile holds.
type BusAddress struct {
	URL string `json:"url"`
}

// publishBus writes BusFile for as long as the server runs.
func (i *infrastructure) publishBus() error {
	text, err := json.Marshal(BusAddress{URL: i.natsURL})
	if err != nil {
		return err
	}
	file := i.cfg.ResolveData(BusFile)
	i.onStop(BusFile, func(context.Context) error {
		if err := os.Remove(file); !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	})
	return adviseData(i.cfg.Data, writePrivate(file, append(text, '\n')))
}

// startPostgres starts the supervised local server unless an existing one is
// named, and brings the schemas up to date.
func (i *infrastructure) startPostgres(ctx context.Context) error {
	owner := i.cfg.Database.URL.Reveal()
	var server *localpg.Server
	if owner == "" {
		var err error
		server, err = localpg.Start(ctx, localpg.Options{Dir: i.cfg.Data, Logger: i.logger, Fsync: true})
		if err != nil {
			return err
		}
		i.onStop("postgres", server.Stop)
		owner = server.AdminURL()
	}
	applied, err := database.Migrate(ctx, database.MigrateOptions{URL: owner, Sets: MigrationSets(), Logger: i.logger})
	if err != nil {
		return err
	}
	if len(applied) > 0 {
		i.logger.Info("migrations applied", "files", applied)
	}
	if server == nil {
		return nil
	}
	return adviseData(i.cfg.Data, i.makeLogins(ctx, server))
}

// makeLogins gives each service a login of its own on the local server.
func (i *infrastructure) makeLogins(ctx context.Context, server *localpg.Server) error {
	file := i.cfg.ResolveData("database-logins.json")
	passwords := map[string]string{}
	text, err := os.ReadFile(file)
	switch {
	case err == nil:
		if err := json.Unmarshal(text, &passwords); err != nil {
			return fmt.Errorf("%s: %w; delete it to have it made anew", file, err)
		}
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	for _, set := range MigrationSets() {
		if passwords[set.Role] == "" {
			passwords[set.Role] = rand.Text()
		}
		if err := server.EnsureLogin(ctx, set.Role, passwords[set.Role]); err != nil {
			return err
		}
		i.databases[set.Service] = server.URL(set.Role, "")
	}
	text, err = json.MarshalIndent(passwords, "", "  ")
	if err != nil {
		return err
	}
	return writePrivate(file, text)
}

// checkMigrated refuses to run on a database whose schema is behind or ahead.
func (i *infrastructure) checkMigrated(ctx context.Context, service string) error {
	if i.cfg.Database.URL == "" {
		return nil // the service's own role can't look; its first query will
	}
	all, err := database.Status(ctx, database.MigrateOptions{URL: i.cfg.Database.URL.Reveal(), Sets: MigrationSets(), Logger: i.logger})
	if err != nil {
		return err
	}
	for _, m := range all {
		if m.Service == service && m.State == database.StatePending {
			return fmt.Errorf("%s: migration %04d_%s is not applied: run `gatehouse migrate up` first", service, m.Version, m.Name)
		}
	}
	return nil
}

// part sets up a service's telemetry; the parts of a process share its metrics.
func (i *infrastructure) part(ctx context.Context, name string) (*telemetry.Telemetry, error) {
	t, err := telemetry.Setup(ctx, telemetry.Options{
		Service: name, Version: i.version, Level: i.cfg.Log.Level, Format: i.cfg.Log.Format, Output: i.output,
		OTLPEndpoint: i.cfg.Telemetry.OTLPEndpoint, SampleRatio: i.cfg.Telemetry.SampleRatio, Registry: i.logs.Registry,
	})
	if err != nil {
		return nil, err
	}
	i.onStop(name+" telemetry", t.Shutdown)
	return t, nil
}

// verifier checks internal tokens for a service of ours.
func (i *infrastructure) verifier(b *mtls.Bundle) *identity.Verifier {
	return identity.NewVerifier(b.Roots, b.TrustDomain, audience, time.Now)
}

// audience is what internal tokens for services of ours are made for.
const audience = "gatehouse"

// peer returns an HTTP client that speaks mutual TLS with one service, and a
// source of service tokens.
func (i *infrastructure) peer(b *mtls.Bundle, service string) (*http.Client, func() (string, error)) {
	dialer := &net.Dialer{Timeout: 3 * time.Second, KeepAlive: 30 * time.Second}
	client := &http.Client{
		Timeout: 15 * time.Second,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSClientConfig: b.ClientTLS(service), TLSHandshakeTimeout: 5 * time.Second,
			MaxIdleConnsPerHost: 32, IdleConnTimeout: 90 * time.Second, ResponseHeaderTimeout: 10 * time.Second,
		},
	}
	minter := identity.NewMinter(b, time.Now)
	return client, func() (string, error) { return minter.MintService(audience) }
}
