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
	"gatehouse.example/internal/database/localpg"
	"gatehouse.example/internal/event"
	"gatehouse.example/internal/outbox"
)

// The whole way, from Append through two relays and a real broker to Once,
// while the broker restarts and the database is killed: each event is
// consumed exactly once, in the order of its aggregate.
func TestNothingIsLost(t *testing.T) {
	pg, db := chaosDatabase(t)
	broker := newBroker(t)
	for range 2 {
		run(t, outbox.RelayOptions{DB: db, Publish: broker.bus.Publish, Interval: 100 * time.Millisecond, Batch: 10})
	}
	consume(t, db, broker.bus)

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
				write(t, db, newEvent(t, subject, n))
				time.Sleep(15 * time.Millisecond)
			}
		})
	}
	time.Sleep(200 * time.Millisecond)
	broker.server.Stop()
	time.Sleep(300 * time.Millisecond)
	broker.start()
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

func chaosDatabase(t *testing.T) (*localpg.Server, *database.DB) {
	t.Helper()
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
	return pg, db
}

// broker is a real one that can be stopped and started again.
type broker struct {
	t      *testing.T
	dir    string
	addr   string
	server *embedded.Server
	bus    *bus.Bus
}

func newBroker(t *testing.T) *broker {
	t.Helper()
	b := &broker{t: t, dir: t.TempDir()}
	b.start()
	b.addr = b.server.Addr()
	t.Cleanup(func() { b.server.Stop() })
	var err error
	if b.bus, err = bus.Connect(t.Context(), bus.Options{URL: b.server.URL(), Logger: quiet()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.bus.Close)
	if err := b.bus.EnsureStream(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *broker) start() {
	b.t.Helper()
	s, err := embedded.Start(embedded.Options{Dir: b.dir, SyncAlways: true, Listen: b.addr, Logger: quiet()})
	if err != nil {
		b.t.Fatal(err)
	}
	b.server = s
}

// consume writes down each event, in the transaction of Once: a commit may be
// done though its answer is lost.
func consume(t *testing.T, db *database.DB, b *bus.Bus) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var consuming sync.WaitGroup
	consuming.Go(func() {
		err := b.Consume(ctx, bus.Consumer{Name: "chaos", Logger: quiet(), Backoff: []time.Duration{100 * time.Millisecond},
			Handle: func(ctx context.Context, e event.Event) error {
				_, err := outbox.Once(ctx, db, "chaos", e, func(ctx context.Context, tx bun.Tx) error {
					_, err := tx.NewRaw("INSERT INTO consumed (subject, n) VALUES (?, ?)", e.Subject, string(e.Data)).Exec(ctx)
					return err
				})
				return err
			}})
		if err != nil {
			t.Errorf("consume: %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		consuming.Wait()
	})
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
