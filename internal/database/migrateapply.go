package database

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// prepare makes what the files need: role, schema and the list of what was
// applied. Nobody may make tables in the public schema (CVE-2018-1058).
func (r *migrator) prepare(ctx context.Context, set MigrationSet) error {
	if err := r.ensureRole(ctx, set.Role); err != nil {
		return err
	}
	schema := pgx.Identifier{set.Schema}.Sanitize()
	statements := []string{
		"CREATE SCHEMA IF NOT EXISTS " + schema,
		"CREATE TABLE IF NOT EXISTS " + schema + `.schema_migrations (
			version    bigint      PRIMARY KEY,
			name       text        NOT NULL,
			checksum   text        NOT NULL,
			applied_at timestamptz NOT NULL DEFAULT now()
		)`,
	}
	var open bool
	err := r.conn.QueryRow(ctx, `SELECT EXISTS (
		SELECT FROM pg_namespace n, aclexplode(n.nspacl) a
		WHERE n.nspname = 'public' AND a.grantee = 0 AND a.privilege_type = 'CREATE')`).Scan(&open)
	if err != nil {
		return err
	}
	if open {
		statements = append(statements, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
	}
	// "already exists, skipping" is of interest to nobody.
	statements = append([]string{"SET client_min_messages = warning"}, statements...)
	for _, s := range statements {
		if _, err := r.conn.Exec(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (r *migrator) ensureRole(ctx context.Context, role string) error {
	if role == "" {
		return nil
	}
	var exists bool
	if err := r.conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", role).Scan(&exists); err != nil {
		return err
	}
	if exists {
		return nil
	}
	statement := "CREATE ROLE " + pgx.Identifier{role}.Sanitize() + " NOLOGIN"
	_, err := r.conn.Exec(ctx, statement)
	switch {
	case hasCode(err, codeDuplicateObject, codeUniqueViolation):
		return nil // roles belong to all databases of the server: another run was faster
	case hasCode(err, codeInsufficient):
		return fmt.Errorf("role %q is missing, and this login may not make it: let an administrator run %s;: %w", role, statement, err)
	}
	return err
}

// known returns the applied files by version; none if there is no list yet.
func (r *migrator) known(ctx context.Context, set MigrationSet) ([]appliedFile, error) {
	table := pgx.Identifier{set.Schema, "schema_migrations"}.Sanitize()
	var exists bool
	if err := r.conn.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", table).Scan(&exists); err != nil {
		return nil, fmt.Errorf("read %s: %w", table, err)
	}
	if !exists {
		return nil, nil
	}
	rows, err := r.conn.Query(ctx, "SELECT version, name, checksum, applied_at FROM "+table+" ORDER BY version")
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", table, err)
	}
	known, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (f appliedFile, err error) {
		return f, row.Scan(&f.version, &f.name, &f.checksum, &f.appliedAt)
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", table, err)
	}
	return known, nil
}

// apply runs one file in one transaction.
func (r *migrator) apply(ctx context.Context, set MigrationSet, f migrationFile) error {
	for _, s := range splitSQL(f.sql) {
		if s.controlsTransaction() {
			return fmt.Errorf("%s:%d: %s: a migration runs in a transaction of its own and must not begin or end one",
				f.path, s.line, s.keyword())
		}
	}
	tx, err := r.conn.Begin(ctx)
	if err != nil {
		return fmt.Errorf("%s: begin: %w", f.path, err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = tx.Rollback(ctx) // does nothing after the commit
	}()
	settings := fmt.Sprintf("SET LOCAL search_path = %s; SET LOCAL lock_timeout = %d",
		pgx.Identifier{set.Schema}.Sanitize(), lockTimeout.Milliseconds())
	if _, err := tx.Exec(ctx, settings); err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	if err := r.execFile(ctx, f); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "INSERT INTO "+pgx.Identifier{set.Schema, "schema_migrations"}.Sanitize()+
		" (version, name, checksum) VALUES ($1, $2, $3)", f.version, f.name, f.checksum)
	if err != nil {
		return fmt.Errorf("%s: record it: %w", f.path, err)
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("%s: commit: %w", f.path, err)
	}
	return nil
}

// execFile sends the file as one query, so that PostgreSQL alone decides where
// a statement ends; our own splitting only serves to name the line.
func (r *migrator) execFile(ctx context.Context, f migrationFile) error {
	results := r.conn.PgConn().Exec(ctx, f.sql)
	done := 0
	for results.NextResult() {
		if _, err := results.ResultReader().Close(); err == nil {
			done++
		}
	}
	if err := results.Close(); err != nil {
		return fmt.Errorf("%s:%s: %w", f.path, failedAt(f.sql, done, err), advise(err))
	}
	return nil
}

// failedAt returns "line:column" where PostgreSQL tells the position, else the
// line of the first statement that was not done.
func failedAt(sql string, done int, err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Position > 0 {
		before := []rune(sql)
		before = before[:min(int(pg.Position)-1, len(before))]
		line := 1 + strings.Count(string(before), "\n")
		column := 1
		for i := len(before) - 1; i >= 0 && before[i] != '\n'; i-- {
			column++
		}
		return fmt.Sprintf("%d:%d", line, column)
	}
	statements := splitSQL(sql)
	if done < len(statements) {
		return fmt.Sprint(statements[done].line)
	}
	return "1"
}

func advise(err error) error {
	if hasCode(err, codeLockNotAvailable) {
		return fmt.Errorf("the table was in use for %s; run it again, this file left nothing behind: %w", lockTimeout, err)
	}
	return err
}

// grant gives the role what a service needs and nothing else; an audit trail
// that its writer can change is none.
func (r *migrator) grant(ctx context.Context, set MigrationSet) error {
	if set.Role == "" {
		return nil
	}
	rows, err := r.conn.Query(ctx, `SELECT c.relname, c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'S') ORDER BY 1`, set.Schema)
	if err != nil {
		return err
	}
	type relation struct{ Name, Kind string }
	relations, err := pgx.CollectRows(rows, pgx.RowToStructByPos[relation])
	if err != nil {
		return err
	}
	role := pgx.Identifier{set.Role}.Sanitize()
	var b strings.Builder
	fmt.Fprintf(&b, "GRANT USAGE ON SCHEMA %s TO %s;\n", pgx.Identifier{set.Schema}.Sanitize(), role)
	for _, rel := range relations {
		name := pgx.Identifier{set.Schema, rel.Name}.Sanitize()
		switch {
		case rel.Kind == "S":
			fmt.Fprintf(&b, "REVOKE ALL ON SEQUENCE %s FROM %s; GRANT USAGE ON SEQUENCE %[1]s TO %[2]s;\n", name, role)
		case rel.Name == "schema_migrations":
			fmt.Fprintf(&b, "REVOKE ALL ON %s FROM %s; GRANT SELECT ON %[1]s TO %[2]s;\n", name, role)
		case strings.HasPrefix(rel.Name, "audit"):
			rights := "INSERT"
			if set.ReadsAudit {
				rights = "SELECT, INSERT"
			}
			fmt.Fprintf(&b, "REVOKE ALL ON %s FROM %s; GRANT %[3]s ON %[1]s TO %[2]s;\n", name, role, rights)
		default:
			fmt.Fprintf(&b, "REVOKE ALL ON %s FROM %s; GRANT SELECT, INSERT, UPDATE, DELETE ON %[1]s TO %[2]s;\n", name, role)
		}
	}
	// One query without parameters is one transaction: nobody sees the role
	// without its rights in between.
	_, err = r.conn.PgConn().Exec(ctx, b.String()).ReadAll()
	return err
}
