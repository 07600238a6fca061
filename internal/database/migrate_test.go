package database_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"

	"gatehouse.example/internal/database"
	"gatehouse.example/internal/database/databasetest"
	"gatehouse.example/migrations"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// files makes a file system of name, text, name, text...
func files(pairs ...string) fs.FS {
	m := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return m
}

// place is an empty schema for one test.
type place struct {
	t    *testing.T
	url  string
	conn *pgx.Conn
	set  database.MigrationSet
}

func newPlace(t *testing.T) *place {
	t.Helper()
	url := databasetest.URL(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	// The name needs quoting, as "user" does.
	p := &place{t: t, url: url, conn: conn}
	p.set = database.MigrationSet{Service: "shop", Schema: fmt.Sprintf("migrate %d", time.Now().UnixNano()), Role: "gatehouse_test_shop"}
	t.Cleanup(func() {
		_, err := conn.Exec(context.Background(), "DROP SCHEMA IF EXISTS "+pgx.Identifier{p.set.Schema}.Sanitize()+" CASCADE")
		if err := errors.Join(err, conn.Close(context.Background())); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p *place) up(files fs.FS) ([]string, error) {
	p.set.FS = files
	return database.Migrate(p.t.Context(), database.MigrateOptions{URL: p.url, Sets: []database.MigrationSet{p.set}, Logger: quiet()})
}

func (p *place) status(files fs.FS) string {
	p.t.Helper()
	p.set.FS = files
	all, err := database.Status(p.t.Context(), database.MigrateOptions{URL: p.url, Sets: []database.MigrationSet{p.set}, Logger: quiet()})
	if err != nil {
		p.t.Fatal(err)
	}
	var text []string
	for _, s := range all {
		if (s.AppliedAt == nil) != (s.State == database.StatePending) {
			p.t.Errorf("%s: applied at %v", s.State, s.AppliedAt)
		}
		text = append(text, fmt.Sprintf("%d %s %s", s.Version, s.Name, s.State))
	}
	return strings.Join(text, ", ")
}

func (p *place) tables() []string {
	p.t.Helper()
	rows, err := p.conn.Query(p.t.Context(), "SELECT tablename::text FROM pg_tables WHERE schemaname = $1 AND tablename <> 'schema_migrations' ORDER BY 1", p.set.Schema)
	if err != nil {
		p.t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		p.t.Fatal(err)
	}
	return names
}

func TestMigrate(t *testing.T) {
	p := newPlace(t)
	one := files("0001_first.up.sql", "CREATE TABLE a (v text);\nCREATE TABLE b ();", "README.md", "no SQL")
	if got := p.status(one); got != "1 first pending" {
		t.Errorf("status before: %s", got)
	}
	var exists bool
	if err := p.conn.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", p.set.Schema).Scan(&exists); err != nil || exists {
		t.Errorf("Status made the schema: %t, %v", exists, err)
	}
	applied, err := p.up(one)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"migrations/shop/0001_first.up.sql"}; !slices.Equal(applied, want) {
		t.Errorf("applied %v", applied)
	}
	two := files("0001_first.up.sql", "CREATE TABLE a (v text);\nCREATE TABLE b ();", "0002_next.up.sql", "DROP TABLE b; CREATE TABLE c ();")
	if got := p.status(two); got != "1 first applied, 2 next pending" {
		t.Errorf("status between: %s", got)
	}
	if applied, err = p.up(two); err != nil || len(applied) != 1 {
		t.Errorf("second run applied %v, %v", applied, err)
	}
	if applied, err = p.up(two); err != nil || len(applied) != 0 {
		t.Errorf("third run applied %v, %v", applied, err)
	}
	if got := p.tables(); !slices.Equal(got, []string{"a", "c"}) {
		t.Errorf("tables %v", got)
	}
	// An older binary finds a newer database.
	if applied, err = p.up(one); err != nil || len(applied) != 0 {
		t.Errorf("older binary: applied %v, %v", applied, err)
	}
	if got := p.status(one); got != "1 first applied, 2 next unknown" {
		t.Errorf("status for the older binary: %s", got)
	}
	changed := files("0001_first.up.sql", "CREATE TABLE a (v text); -- and more", "0002_next.up.sql", "DROP TABLE b; CREATE TABLE c ();")
	if _, err = p.up(changed); err == nil || !strings.Contains(err.Error(), "migrations/shop/0001_first.up.sql: changed after it was applied") {
		t.Errorf("changed file: %v", err)
	}
	if got := p.status(changed); got != "1 first changed, 2 next applied" {
		t.Errorf("status of a changed file: %s", got)
	}
}

func TestMigrateFailsHalfWay(t *testing.T) {
	p := newPlace(t)
	broken := "CREATE TABLE half ();\n\n-- a comment; with a semicolon\nINSERT INTO good VALUES ('twice');\nCREATE TABLE more ();"
	set := func(second string) fs.FS {
		return files("0001_good.up.sql", "CREATE TABLE good (v text PRIMARY KEY); INSERT INTO good VALUES ('twice');",
			"0002_bad.up.sql", second, "0003_last.up.sql", "CREATE TABLE last ();")
	}
	applied, err := p.up(set(broken))
	if err == nil {
		t.Fatal("no error")
	}
	if want := "migrations/shop/0002_bad.up.sql:4: "; !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), "23505") {
		t.Errorf("error %q, want %q first", err, want)
	}
	if len(applied) != 1 {
		t.Errorf("applied %v", applied)
	}
	if got := p.tables(); !slices.Equal(got, []string{"good"}) {
		t.Errorf("tables after the failure: %v", got)
	}
	if applied, err = p.up(set("CREATE TABLE repaired ();")); err != nil || len(applied) != 2 {
		t.Errorf("repaired run applied %v, %v", applied, err)
	}
	if got := p.tables(); !slices.Equal(got, []string{"good", "last", "repaired"}) {
		t.Errorf("tables at the end: %v", got)
	}
}

func TestMigrateErrors(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files fs.FS
		want  string
	}{
		{"syntax", files("0001_a.up.sql", "CREATE TABLE a ();\n  CREATE TABEL b ();"), "migrations/shop/0001_a.up.sql:2:10: ERROR: syntax error"},
		{"unknown column, after letters of two bytes", files("0001_a.up.sql", "-- äöü\nCREATE TABLE a ();\nSELECT 'ä', missing FROM a;"), "0001_a.up.sql:3:13: ERROR"},
		{"commit inside", files("0001_a.up.sql", "CREATE TABLE a ();\n/* so; */ COMMIT;\nCREATE TABLE b ();"), "0001_a.up.sql:2: COMMIT: a migration runs in a transaction of its own"},
		{"name without number", files("first.up.sql", ""), "first.up.sql: the name must be like"},
		{"down", files("0001_a.down.sql", ""), "0001_a.down.sql: the name must be like"},
		{"same version", files("0001_a.up.sql", "", "00001_b.up.sql", ""), "has the same version"},
		{"not in a transaction", files("0001_a.up.sql", "CREATE TABLE a (v text);\nCREATE INDEX CONCURRENTLY i ON a (v);"), "0001_a.up.sql:2: ERROR: CREATE INDEX CONCURRENTLY"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlace(t)
			_, err := p.up(tt.files)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want %q", err, tt.want)
			}
			if got := p.tables(); len(got) != 0 {
				t.Errorf("left tables %v", got)
			}
		})
	}
	t.Run("older than applied", func(t *testing.T) {
		p := newPlace(t)
		if _, err := p.up(files("0002_b.up.sql", "")); err != nil {
			t.Fatal(err)
		}
		if _, err := p.up(files("0001_a.up.sql", "", "0002_b.up.sql", "")); err == nil || !strings.Contains(err.Error(), "older than the applied version 2") {
			t.Error(err)
		}
	})
}

func TestMigrateGivesUpOnALockedTable(t *testing.T) {
	if testing.Short() {
		t.Skip("waits five seconds")
	}
	p := newPlace(t)
	first := []string{"0001_a.up.sql", "CREATE TABLE a ();"}
	if _, err := p.up(files(first...)); err != nil {
		t.Fatal(err)
	}
	tx, err := p.conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "LOCK TABLE "+pgx.Identifier{p.set.Schema, "a"}.Sanitize()); err != nil {
		t.Fatal(err)
	}
	both := files(append(first, "0002_b.up.sql", "CREATE TABLE b ();\nALTER TABLE a ADD v text;")...)
	_, err = p.up(both)
	if err == nil || !strings.Contains(err.Error(), "0002_b.up.sql:2: the table was in use for 5s") {
		t.Errorf("error %v", err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if applied, err := p.up(both); err != nil || len(applied) != 1 {
		t.Errorf("again: %v, %v", applied, err)
	}
}

func TestMigrateAtTheSameTime(t *testing.T) {
	p := newPlace(t)
	p.set.Role = "gatehouse_test_" + strings.ReplaceAll(p.set.Schema, " ", "_") // made by one of them
	p.set.FS = files("0001_a.up.sql", "CREATE TABLE a (); SELECT pg_sleep(0.1);", "0002_b.up.sql", "CREATE TABLE b ();")
	t.Cleanup(func() {
		_, err := p.conn.Exec(context.Background(), fmt.Sprintf("DROP OWNED BY %s; DROP ROLE %[1]s", p.set.Role))
		if err != nil {
			t.Error(err)
		}
	})
	var all sync.WaitGroup
	var mu sync.Mutex
	total := 0
	for range 5 {
		all.Go(func() {
			applied, err := database.Migrate(t.Context(), database.MigrateOptions{URL: p.url, Sets: []database.MigrationSet{p.set}, Logger: quiet()})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			total += len(applied)
		})
	}
	all.Wait()
	if total != 2 {
		t.Errorf("%d files applied, want 2", total)
	}
}

func TestGrants(t *testing.T) {
	p := newPlace(t)
	_, err := p.up(files("0001_a.up.sql", `
		CREATE TABLE things (id bigint GENERATED ALWAYS AS IDENTITY, n serial, v text);
		CREATE TABLE audit_log (id bigint GENERATED ALWAYS AS IDENTITY, v text);
		CREATE TABLE leases (name text PRIMARY KEY, holder uuid, token bigint, expires_at timestamptz);`))
	if err != nil {
		t.Fatal(err)
	}
	db, err := database.Open(t.Context(), database.Options{URL: p.url, Role: p.set.Role, Schema: p.set.Schema, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, tt := range []struct {
		sql     string
		allowed bool
	}{
		{"INSERT INTO things (v) VALUES ('x')", true},
		{"UPDATE things SET v = 'y'", true},
		{"SELECT * FROM things", true},
		{"DELETE FROM things", true},
		{"INSERT INTO audit_log (v) VALUES ('x')", true},
		{"SELECT * FROM audit_log", false},
		{"SELECT * FROM schema_migrations", true},
		{"UPDATE audit_log SET v = 'y'", false},
		{"DELETE FROM audit_log", false},
		{"TRUNCATE audit_log", false},
		{"TRUNCATE things", false},
		{"DELETE FROM schema_migrations", false},
		{"ALTER TABLE things ADD w text", false},
		{"DROP TABLE things", false},
		{"CREATE TABLE more ()", false},
		{"CREATE TABLE public.more ()", false},
	} {
		_, err := db.Pool.Exec(t.Context(), tt.sql)
		if (err == nil) != tt.allowed {
			t.Errorf("%s: %v", tt.sql, err)
		}
	}
}

// The real migrations, as they are shipped.
func TestShippedMigrations(t *testing.T) {
	outbox, err := os.ReadFile("../outbox/schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		service string
		fs      fs.FS
	}{{"auth", migrations.Auth}, {"user", migrations.User}, {"email", migrations.Email}} {
		t.Run(tt.service, func(t *testing.T) {
			all, err := fs.Glob(tt.fs, "*.up.sql")
			if err != nil {
				t.Fatal(err)
			}
			if len(all) == 0 {
				t.Fatal("no migrations")
			}
			first, err := fs.ReadFile(tt.fs, all[0])
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(first), strings.TrimSpace(string(outbox))) {
				t.Errorf("%s does not contain the text of internal/outbox/schema.sql", all[0])
			}
			databasetest.New(t, database.MigrationSet{Service: tt.service, Role: "gatehouse_" + tt.service, FS: tt.fs})
		})
	}
}
