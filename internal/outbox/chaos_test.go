package outbox_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/uptrace/bun"

	"gatehouse.example/internal/bus"
	"gatehouse.example/internal/bus/embedded"
	"gatehouse.example/internal/database"
	"gatehouse.example/internal/database/databasetest"
	"gatehouse.example/internal/event"
	"gatehouse.example/internal/outbox"
)

// The whole way, from Append through two relays and a real broker to Once,
// while the broker restarts and the database is killed: each event is
// consumed exactly once, in the order of its aggregate.
func TestNothingIsLost(t *testing.T) {
	pg := databasetest.NewServer(t)
	set := schema(t)
	set.Schema = "chaos"
	set.FS.(fstest.MapFS)["0002_consumed.up.sql"] = &fstest.MapFile{
		Data: []byte("CREATE TABLE consumed (seq bigint GENERATED ALWAYS AS IDENTITY, subject text, n text);"),
	}
	if _, err := database.Migrate(t.Context(), database.MigrateOptions{URL: pg.AdminURL(), Sets: []database.MigrationSet{set}, Logger: quiet()}); err != nil {
		t.Fatal(err)
	}
	db, err := database.Open(t.Context(), database.Options{URL: pg.AdminURL(), Schema: "chaos", MaxConns: 20, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)

	dir := t.TempDir()
	nats, err := embedded.Start(embedded.Options{Dir: dir, SyncAlways: true, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	addr := nats.Addr()
	t.Cleanup(func() { nats.Stop() })
	b, err := bus.Connect(t.Context(), bus.Options{URL: nats.URL(), Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	if err := b.EnsureStream(t.Context()); err != nil {
		t.Fatal(err)
	}

	for range 2 {
		run(t, outbox.RelayOptions{DB: db, Publish: b.Publish, Interval: 100 * time.Millisecond, Batch: 10})
	}
	ctx, cancel := context.WithCancel(context.Background())
	var consuming sync.WaitGroup
	consuming.Go(func() {
		_ = b.Consume(ctx, bus.Consumer{Name: "chaos", Logger: quiet(), Backoff: []time.Duration{100 * time.Millisecond},
			Handle: func(ctx context.Context, e event.Event) error {
				// In the transaction: a commit may be done though its answer is lost.
				_, err := outbox.Once(ctx, db, "chaos", e, func(ctx context.Context, tx bun.Tx) error {
					_, err := tx.NewRaw("INSERT INTO consumed (subject, n) VALUES (?, ?)", e.Subject, string(e.Data)).Exec(ctx)
					return err
				})
				return err
			}})
	})
	t.Cleanup(consuming.Wait)
	t.Cleanup(cancel)

	const subjects, each = 4, 40
	want := map[string][]string{}
	var writers sync.WaitGroup
	for i := range subjects {
		subject := fmt.Sprint("person-", i)
		for n := range each {
			want[subject] = append(want[subject], fmt.Sprint(n))
		}
		writers.Go(func() {
			for n := range each {
				e := newEvent(t, subject, n)
				write(t, db, e)
				time.Sleep(15 * time.Millisecond)
			}
		})
	}
	time.Sleep(200 * time.Millisecond)
	nats.Stop()
	time.Sleep(300 * time.Millisecond)
	if nats, err = embedded.Start(embedded.Options{Dir: dir, SyncAlways: true, Listen: addr, Logger: quiet()}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pg.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	writers.Wait()

	eventually(t, "all consumed", func() bool {
		var n int
		err := db.Pool.QueryRow(t.Context(), "SELECT count(*) FROM consumed").Scan(&n)
		return err == nil && n >= subjects*each
	})
	for subject := range want {
		var got []string
		if err := db.Bun.NewRaw("SELECT n FROM consumed WHERE subject = ? ORDER BY seq", subject).Scan(t.Context(), &got); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want[subject]) {
			t.Errorf("%s: consumed %v", subject, got)
		}
	}
}

// write appends the event as a service would that is asked again: until it is
// there, once.
func write(t *testing.T, db *database.DB, e event.Event) {
	var err error
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		err = db.InTx(context.Background(), func(ctx context.Context, tx bun.Tx) error { return outbox.Append(ctx, tx, e) })
		if err == nil || database.IsUnique(err, "outbox_pkey") {
			return
		}
	}
	t.Errorf("write: %v", err)
}
