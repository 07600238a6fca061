package database

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
)

// migrateLock is the advisory lock of a run ("gatehous" in ASCII): one for the
// whole database, so that sets that share a role do not meet.
const migrateLock int64 = 0x6761746568_6f7573

// lockTimeout bounds how long a statement of a migration waits for a lock on
// a table, because all later queries on that table wait behind it.
const lockTimeout = 5 * time.Second

// MigrateOptions says what to migrate, and as whom.
type MigrateOptions struct {
	// URL logs in as the owner of the schemas, directly at the server (not
	// through a transaction pooler): the lock of a run belongs to its connection.
	URL string
	// Sets are migrated in this order.
	Sets []MigrationSet
	// Logger receives a line for each applied file; nil means slog.Default.
	Logger *slog.Logger
}

// The states of a migration.
const (
	// StatePending is a file that was not applied yet.
	StatePending = "pending"
	// StateApplied is a file that was applied as it is.
	StateApplied = "applied"
	// StateChanged is a file that was applied and is another one now.
	StateChanged = "changed"
	// StateUnknown was applied by a newer version: there is no file for it.
	StateUnknown = "unknown"
)

// MigrationStatus is what is known of one migration.
type MigrationStatus struct {
	// Service is that of the [MigrationSet].
	Service string `json:"service"`
	// Version is the number that the file's name starts with.
	Version int `json:"version"`
	// Name is the file's name without number and suffix.
	Name string `json:"name"`
	// State is one of the State constants.
	State string `json:"state"`
	// AppliedAt is nil for a pending one.
	AppliedAt *time.Time `json:"applied_at"`
}

// Migrate makes the missing schemas and roles, applies each pending file in a
// transaction of its own, and grants the roles their rights. Runs exclude one
// another by an advisory lock. applied names the files
// ("migrations/auth/0001_init.up.sql") that this run applied, also if a later
// one failed: a failing file leaves nothing behind, and the next run goes on
// with it.
//
// # Errors
//
// A failing statement with file, line and column; a file that changed after
// it was applied; a pending file older than an applied one; a file name
// that is not NNNN_name.up.sql; a file that begins or ends transactions.
func Migrate(ctx context.Context, o MigrateOptions) (applied []string, err error) {
	r, err := newMigrator(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close(ctx)) }()
	if err := r.lock(ctx); err != nil {
		return nil, err
	}
	for _, set := range o.Sets {
		if err := r.migrate(ctx, set); err != nil {
			return r.applied, err
		}
	}
	return r.applied, nil
}

// Status tells the state of each migration, in the order of the sets and
// versions. It changes nothing in the database.
func Status(ctx context.Context, o MigrateOptions) (all []MigrationStatus, err error) {
	r, err := newMigrator(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close(ctx)) }()
	for _, set := range o.Sets {
		s, err := r.status(ctx, set)
		if err != nil {
			return nil, err
		}
		all = append(all, s...)
	}
	return all, nil
}

// migrator is one run on one connection.
type migrator struct {
	conn    *pgx.Conn
	logger  *slog.Logger
	applied []string
}

func newMigrator(ctx context.Context, o MigrateOptions) (*migrator, error) {
	cfg, err := pgx.ParseConfig(o.URL)
	if err != nil {
		return nil, fmt.Errorf("database URL: %w", err)
	}
	cfg.RuntimeParams["application_name"] = "gatehouse migrate"
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", unreachable(cfg, err))
	}
	r := &migrator{conn: conn, logger: o.Logger}
	if r.logger == nil {
		r.logger = slog.Default()
	}
	return r, nil
}

// close also gives the lock back, because it belongs to the connection.
func (r *migrator) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if r.conn.IsClosed() { // by the error that is returned already
		return nil
	}
	return r.conn.Close(ctx)
}

func (r *migrator) lock(ctx context.Context) error {
	var got bool
	if err := r.conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", migrateLock).Scan(&got); err != nil {
		return fmt.Errorf("lock migrations: %w", err)
	}
	if got {
		return nil
	}
	r.logger.InfoContext(ctx, "another process migrates, waiting for it")
	if _, err := r.conn.Exec(ctx, "SELECT pg_advisory_lock($1)", migrateLock); err != nil {
		return fmt.Errorf("lock migrations: %w", err)
	}
	return nil
}

func (r *migrator) migrate(ctx context.Context, set MigrationSet) error {
	files, err := set.files()
	if err != nil {
		return err
	}
	if err := r.prepare(ctx, set); err != nil {
		return fmt.Errorf("prepare schema %q: %w", set.Schema, err)
	}
	known, err := r.known(ctx, set)
	if err != nil {
		return err
	}
	pending, err := plan(files, known)
	if err != nil {
		return err
	}
	for _, f := range pending {
		begun := time.Now()
		if err := r.apply(ctx, set, f); err != nil {
			return err
		}
		r.applied = append(r.applied, f.path)
		r.logger.InfoContext(ctx, "migration applied", "file", f.path, "duration_ms", time.Since(begun).Milliseconds())
	}
	if err := r.grant(ctx, set); err != nil {
		return fmt.Errorf("grant rights in schema %q to %q: %w", set.Schema, set.Role, err)
	}
	return nil
}

// plan returns the files to apply.
func plan(files []migrationFile, known []appliedFile) ([]migrationFile, error) {
	byVersion := make(map[int]appliedFile, len(known))
	last := 0
	for _, k := range known {
		byVersion[k.version] = k
		last = max(last, k.version)
	}
	var pending []migrationFile
	for _, f := range files {
		k, ok := byVersion[f.version]
		switch {
		case ok && k.checksum != f.checksum:
			return nil, fmt.Errorf("%s: changed after it was applied at %s: restore the file and put the change into a new one",
				f.path, k.appliedAt.UTC().Format(time.RFC3339))
		case !ok && f.version < last:
			return nil, fmt.Errorf("%s: version %d is older than the applied version %d: give the file a higher number", f.path, f.version, last)
		case !ok:
			pending = append(pending, f)
		}
	}
	return pending, nil
}

func (r *migrator) status(ctx context.Context, set MigrationSet) ([]MigrationStatus, error) {
	files, err := set.files()
	if err != nil {
		return nil, err
	}
	known, err := r.known(ctx, set)
	if err != nil {
		return nil, err
	}
	byVersion := make(map[int]appliedFile, len(known))
	for _, k := range known {
		byVersion[k.version] = k
	}
	var all []MigrationStatus
	for _, f := range files {
		s := MigrationStatus{Service: set.Service, Version: f.version, Name: f.name, State: StatePending}
		if k, ok := byVersion[f.version]; ok {
			s.State, s.AppliedAt = StateApplied, &k.appliedAt
			if k.checksum != f.checksum {
				s.State = StateChanged
			}
			delete(byVersion, f.version)
		}
		all = append(all, s)
	}
	for _, k := range known {
		if _, left := byVersion[k.version]; left {
			all = append(all, MigrationStatus{Service: set.Service, Version: k.version, Name: k.name, State: StateUnknown, AppliedAt: &k.appliedAt})
		}
	}
	return all, nil
}
