// Package databasetest owns the PostgreSQL of tests: one server for a test
// binary, started when a test first asks, and a schema for each test.
//
// Nothing is left behind, also not by a test that panics or is killed: the
// kernel stops the server with the process, and a small shell process that
// waits for that removes the files. GATEHOUSE_TEST_DATABASE_URL names another
// server to use instead; its login must be able to create schemas and roles.
//
// It leaves migrating to internal/database and running the server to
// internal/database/localpg.
package databasetest

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gatehouse.example/internal/database"
	"gatehouse.example/internal/database/localpg"
)

// shared is the server of this test binary. It is the one thing here that
// lives as long as the process, because no test knows that it is the last.
var shared = sync.OnceValues(launch)

// URL returns the URL of the test binary's server for its administrator.
func URL(t testing.TB) string {
	t.Helper()
	if url := os.Getenv("GATEHOUSE_TEST_DATABASE_URL"); url != "" {
		return url
	}
	i, err := shared()
	if err != nil {
		t.Fatalf("PostgreSQL for tests: %v", err)
	}
	return i.server.AdminURL()
}

// New applies the set in a schema that is only this test's and returns a pool
// that has the rights of the set's role there. set.Schema is replaced by a
// name of its own; a zero set gives an empty schema and the rights of the
// administrator. Schema and pool are gone at the end of the test.
func New(t testing.TB, set database.MigrationSet) *database.DB {
	t.Helper()
	url := URL(t)
	set.Schema = "test_" + strings.ToLower(rand.Text()[:12])
	if set.Service == "" {
		set.Service = "test"
	}
	logger := slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	t.Cleanup(func() {
		if err := drop(url, set.Schema); err != nil {
			t.Errorf("drop the schema of the test: %v", err)
		}
	})
	if _, err := database.Migrate(ctx, database.MigrateOptions{URL: url, Sets: []database.MigrationSet{set}, Logger: logger}); err != nil {
		t.Fatal(err)
	}
	db, err := database.Open(ctx, database.Options{
		URL: url, Role: set.Role, Schema: set.Schema, AppName: appName(t.Name()), Logger: logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// appName shows in pg_stat_activity, up to 63 bytes.
func appName(test string) string { return test[max(0, len(test)-60):] }

func drop(url, schema string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, fmt.Sprintf("SET client_min_messages = warning; DROP SCHEMA IF EXISTS %s CASCADE",
		pgx.Identifier{schema}.Sanitize()))
	return err
}

// NewServer starts a server that is only this test's, for tests that stop or
// kill it. It is gone at the end of the test.
func NewServer(t testing.TB) *localpg.Server {
	t.Helper()
	i, err := launch()
	if err != nil {
		t.Fatalf("PostgreSQL for tests: %v", err)
	}
	t.Cleanup(func() {
		if err := i.stop(); err != nil {
			t.Errorf("stop PostgreSQL: %v", err)
		}
	})
	return i.server
}
