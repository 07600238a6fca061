package database_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"gatehouse.example/internal/database"
	"gatehouse.example/internal/database/databasetest"
)

func things() database.MigrationSet {
	return database.MigrationSet{Role: "gatehouse_test_things", FS: files("0001_a.up.sql", `
		CREATE TABLE things (name text CONSTRAINT things_name PRIMARY KEY, n int NOT NULL DEFAULT 0, j jsonb, at timestamptz);
		CREATE TABLE leases (name text PRIMARY KEY, holder uuid NOT NULL, token bigint NOT NULL, expires_at timestamptz NOT NULL);`)}
}

func TestOpenErrors(t *testing.T) {
	url := databasetest.URL(t)
	for _, tt := range []struct {
		name, want string
		o          database.Options
	}{
		{"no such database", "does not exist", database.Options{URL: strings.Replace(url, "/gatehouse?", "/missing?", 1)}},
		{"wrong password", "authentication failed", database.Options{URL: strings.Replace(url, "@", "wrong@", 1)}},
		{"no such role", "missing_role", database.Options{URL: url, Role: "missing_role"}},
		{"no URL", "database URL", database.Options{URL: "postgres://user:secret@%zz"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			begun := time.Now()
			tt.o.Logger = quiet()
			db, err := database.Open(t.Context(), tt.o)
			if err == nil {
				db.Close()
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("error %q, want %q", err, tt.want)
			}
			if d := time.Since(begun); d > 3*time.Second {
				t.Errorf("took %s", d)
			}
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if _, err := database.Open(ctx, database.Options{URL: "postgres://u:secret@127.0.0.1:1/db", Logger: quiet()}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("error %v", err)
		}
	})
}

// The server starts after Open was called.
func TestOpenWaits(t *testing.T) {
	s := databasetest.NewServer(t)
	pid := s.PID()
	signal(t, pid)
	db, err := database.Open(t.Context(), database.Options{URL: s.AdminURL(), Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	db.Close()
}

func TestRoundTrip(t *testing.T) {
	db := databasetest.New(t, things())
	type thing struct {
		bun.BaseModel `bun:"table:things"`
		Name          string         `bun:",pk"`
		N             int            `bun:"n"`
		J             map[string]any `bun:"j,type:jsonb"`
		At            time.Time      `bun:"at"`
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	in := thing{Name: "O'Neil ? \\ %s", N: -1, J: map[string]any{"k": "v ' ?"}, At: at}
	if _, err := db.Bun.NewInsert().Model(&in).Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	var out thing
	if err := db.Bun.NewSelect().Model(&out).Where("name = ?", in.Name).Scan(t.Context()); err != nil {
		t.Fatal(err)
	}
	if out.N != -1 || out.J["k"] != "v ' ?" || !out.At.Equal(at) {
		t.Errorf("got %+v", out)
	}
	_, err := db.Bun.NewInsert().Model(&in).Exec(t.Context())
	if !database.IsUnique(err, "things_name") || !database.IsUnique(err, "") || database.IsUnique(err, "other") || database.IsUnique(nil, "") {
		t.Errorf("IsUnique of %v", err)
	}
	if err := db.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestInTxRetriesDeadlocks(t *testing.T) {
	db := databasetest.New(t, things())
	if _, err := db.Pool.Exec(t.Context(), "INSERT INTO things (name) VALUES ('a'), ('b')"); err != nil {
		t.Fatal(err)
	}
	var runs atomic.Int32
	var meet sync.WaitGroup
	meet.Add(2)
	bump := func(first, second string) error {
		attempt := 0
		return db.InTx(t.Context(), func(ctx context.Context, tx bun.Tx) error {
			runs.Add(1)
			attempt++
			if _, err := tx.NewRaw("UPDATE things SET n = n + 1 WHERE name = ?", first).Exec(ctx); err != nil {
				return err
			}
			if attempt == 1 {
				meet.Done()
				meet.Wait() // each holds what the other wants
			}
			_, err := tx.NewRaw("UPDATE things SET n = n + 1 WHERE name = ?", second).Exec(ctx)
			return err
		})
	}
	var both sync.WaitGroup
	both.Go(func() {
		if err := bump("a", "b"); err != nil {
			t.Error(err)
		}
	})
	both.Go(func() {
		if err := bump("b", "a"); err != nil {
			t.Error(err)
		}
	})
	both.Wait()
	var sum int
	if err := db.Pool.QueryRow(t.Context(), "SELECT sum(n) FROM things").Scan(&sum); err != nil {
		t.Fatal(err)
	}
	if sum != 4 || runs.Load() < 3 {
		t.Errorf("sum %d after %d runs, want 4 after 3 or more", sum, runs.Load())
	}
}

func TestInTxRollsBack(t *testing.T) {
	db := databasetest.New(t, things())
	boom := errors.New("boom")
	runs := 0
	err := db.InTx(t.Context(), func(ctx context.Context, tx bun.Tx) error {
		runs++
		if _, err := tx.NewRaw("INSERT INTO things (name) VALUES ('x')").Exec(ctx); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) || runs != 1 {
		t.Errorf("%v after %d runs", err, runs)
	}
	var n int
	if err := db.Pool.QueryRow(t.Context(), "SELECT count(*) FROM things").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d rows, %v", n, err)
	}
}
