package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
)

const (
	defaultMaxConns = 10
	openTimeout     = 30 * time.Second
	readyTimeout    = 2 * time.Second
)

// Options says where and as whom to connect.
type Options struct {
	// URL is a PostgreSQL URL or key=value string; see [pgconn.ParseConfig].
	URL string
	// Role is taken at the start of each connection (SET ROLE), so that a
	// service that logs in as somebody else still has the rights of its role
	// alone. "" keeps the rights of the login.
	Role string
	// Schema is the only schema on the search path. "" keeps the server's.
	Schema string
	// MaxConns bounds the pool; 0 means 10.
	MaxConns int
	// AppName shows in pg_stat_activity; "" means "gatehouse".
	AppName string
	// Logger receives the reason of each attempt that Open repeats; nil means
	// slog.Default.
	Logger *slog.Logger
}

// DB is a pool of connections of one service. It is safe for concurrent use.
type DB struct {
	// Bun is the query builder on top of Pool.
	Bun *bun.DB
	// Pool is for what bun cannot express: COPY, LISTEN, batches. Arguments
	// are sent without asking the server for their types first, so a []byte
	// for a jsonb column has to be cast or passed as string.
	Pool *pgxpool.Pool

	logger *slog.Logger
	schema string
}

// Open makes a pool and waits until the database answers, for at most 30
// seconds or until ctx is done. Close releases it.
//
// # Errors
//
// A URL that does not parse, a refused login, an unknown database or role (at
// once), or the last error of the attempts to connect.
func Open(ctx context.Context, o Options) (*DB, error) {
	cfg, err := poolConfig(o)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	d := &DB{Pool: pool, logger: o.Logger, schema: o.Schema}
	if d.logger == nil {
		d.logger = slog.Default()
	}
	if err := d.await(ctx); err != nil {
		pool.Close()
		return nil, unreachable(cfg.ConnConfig, err)
	}
	d.Bun = bun.NewDB(stdlib.OpenDBFromPool(pool), pgdialect.New())
	return d, nil
}

func poolConfig(o Options) (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		// The error of pgconn masks the password.
		return nil, fmt.Errorf("database URL: %w", err)
	}
	cfg.MaxConns = defaultMaxConns
	if o.MaxConns > 0 {
		cfg.MaxConns = int32(min(o.MaxConns, 10_000))
	}
	cfg.MaxConnIdleTime = 5 * time.Minute
	cfg.MaxConnLifetimeJitter = 5 * time.Minute
	cfg.HealthCheckPeriod = 15 * time.Second
	// bun writes arguments into the query text: a cache of prepared
	// statements would hold each text once and never hit.
	cfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = 5 * time.Second
	}
	params := cfg.ConnConfig.RuntimeParams
	params["application_name"] = "gatehouse"
	if o.AppName != "" {
		params["application_name"] = o.AppName
	}
	params["timezone"] = "UTC"
	if o.Role != "" {
		params["role"] = o.Role
	}
	if o.Schema != "" {
		params["search_path"] = pgx.Identifier{o.Schema}.Sanitize()
	}
	return cfg, nil
}

// await pings with growing pauses: a server that starts at the same time, or
// one that fails over, is not an error yet.
func (d *DB) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		err := d.Pool.Ping(ctx)
		if err == nil || refused(err) {
			return err
		}
		d.logger.DebugContext(ctx, "database does not answer yet", "error", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// refused reports errors that waiting does not cure: class 28 (invalid
// authorization), 3D000 (no such database), 22023 (no such role), 42501 (may
// not take the role).
func refused(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	switch pg.Code {
	case "3D000", "22023", "42501":
		return true
	}
	return len(pg.Code) == 5 && pg.Code[:2] == "28"
}

// Close waits for the connections in use and closes the pool.
func (d *DB) Close() {
	_ = d.Bun.Close() // only hands connections back to the pool
	d.Pool.Close()
}

// Ready reports whether the database answers within two seconds.
func (d *DB) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if err := d.Pool.Ping(ctx); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	return nil
}

// Schema is the schema of [Options], "" if none was given.
func (d *DB) Schema() string { return d.schema }

// InTx runs fn in a transaction (read committed) and commits if fn returns
// nil. If the server ends it for a serialization failure or a deadlock, fn
// runs again, up to three times more: fn must have no effects besides tx.
func (d *DB) InTx(ctx context.Context, fn func(ctx context.Context, tx bun.Tx) error) error {
	const retries = 3
	for attempt := 0; ; attempt++ {
		err := d.Bun.RunInTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted}, fn)
		if err == nil || attempt == retries || !isConflict(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Duration(attempt+1) * 20 * time.Millisecond):
		}
	}
}
