package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"

	"gatehouse.example/internal/database"
	"gatehouse.example/internal/database/databasetest"
	"gatehouse.example/internal/event"
	"gatehouse.example/internal/outbox"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func schema(t testing.TB) database.MigrationSet {
	t.Helper()
	text, err := os.ReadFile("schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	return database.MigrationSet{Service: "outbox", Role: "gatehouse_test_outbox", FS: fstest.MapFS{
		"0001_outbox.up.sql": {Data: text},
	}}
}

func newEvent(t testing.TB, subject string, n int) event.Event {
	t.Helper()
	e, err := event.New("gatehouse/test", event.TypeUserUpdated, subject, n, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func appendEvents(t testing.TB, db *database.DB, events ...event.Event) {
	t.Helper()
	err := db.InTx(t.Context(), func(ctx context.Context, tx bun.Tx) error {
		for _, e := range events {
			if err := outbox.Append(ctx, tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s: not within 20 s", what)
}

// sink is a bus in memory.
type sink struct {
	mu     sync.Mutex
	events []event.Event
	fail   func(e event.Event) error
}

func (s *sink) publish(_ context.Context, e event.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		if err := s.fail(e); err != nil {
			return err
		}
	}
	s.events = append(s.events, e)
	return nil
}

// got returns "subject:n" in the order of publication, first ones only.
func (s *sink) got() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	seen := map[string]bool{}
	for _, e := range s.events {
		if !seen[e.ID] {
			all = append(all, fmt.Sprintf("%s:%s", e.Subject, e.Data))
		}
		seen[e.ID] = true
	}
	return all
}

func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.events)
}

// run starts a relay; stop ends it and waits.
func run(t testing.TB, o outbox.RelayOptions) (stop func()) {
	t.Helper()
	if o.Logger == nil {
		o.Logger = quiet()
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- outbox.NewRelay(o).Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("relay: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func TestRelayPublishesAtOnce(t *testing.T) {
	db := databasetest.New(t, schema(t))
	var s sink
	run(t, outbox.RelayOptions{DB: db, Publish: s.publish, Interval: time.Hour}) // only notifications wake it
	time.Sleep(300 * time.Millisecond)
	for i := range 3 {
		begun := time.Now()
		e := newEvent(t, "person", i)
		e.TraceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
		appendEvents(t, db, e)
		eventually(t, "publication", func() bool { return s.count() == i+1 })
		t.Logf("published after %s", time.Since(begun).Round(time.Millisecond))
		s.mu.Lock()
		if got := s.events[i]; got.ID != e.ID || got.TraceParent != e.TraceParent || !got.Time.Equal(e.Time) || string(got.Data) != string(e.Data) {
			t.Errorf("published %+v, want %+v", got, e)
		}
		s.mu.Unlock()
	}
}

func TestRolledBackEventsAreNotPublished(t *testing.T) {
	db := databasetest.New(t, schema(t))
	var s sink
	run(t, outbox.RelayOptions{DB: db, Publish: s.publish, Interval: 50 * time.Millisecond})
	never := errors.New("changed my mind")
	err := db.InTx(t.Context(), func(ctx context.Context, tx bun.Tx) error {
		if err := outbox.Append(ctx, tx, newEvent(t, "person", 0)); err != nil {
			return err
		}
		return never
	})
	if !errors.Is(err, never) {
		t.Fatal(err)
	}
	appendEvents(t, db, newEvent(t, "person", 1))
	eventually(t, "publication", func() bool { return s.count() > 0 })
	if got := s.got(); !slices.Equal(got, []string{"person:1"}) {
		t.Errorf("published %v", got)
	}
}

// Several relays on one outbox, publishing that fails now and then, and
// writers beside: each aggregate's events still arrive in order.
func TestOrderWithSeveralRelays(t *testing.T) {
	db := databasetest.New(t, schema(t))
	calls := 0
	s := sink{fail: func(event.Event) error {
		if calls++; calls%7 == 0 {
			return errors.New("the bus hiccups")
		}
		return nil
	}}
	for range 3 {
		run(t, outbox.RelayOptions{DB: db, Publish: s.publish, Interval: 20 * time.Millisecond, Batch: 4})
	}
	const subjects, each = 8, 25
	var writers sync.WaitGroup
	for i := range subjects {
		writers.Go(func() {
			for n := range each {
				appendEvents(t, db, newEvent(t, fmt.Sprint("person-", i), n))
			}
		})
	}
	writers.Wait()
	eventually(t, "all published", func() bool { return len(s.got()) == subjects*each })
	next := map[string]int{}
	for _, got := range s.got() {
		var i, n int
		if _, err := fmt.Sscanf(got, "person-%d:%d", &i, &n); err != nil {
			t.Fatal(err)
		}
		subject := fmt.Sprint("person-", i)
		if n != next[subject] {
			t.Fatalf("%s: got %d, want %d", subject, n, next[subject])
		}
		next[subject]++
	}
}

// A transaction that drew its number first and commits last is still
// published, and another one on the same aggregate waits for it.
func TestLateCommit(t *testing.T) {
	db := databasetest.New(t, schema(t))
	var s sink
	run(t, outbox.RelayOptions{DB: db, Publish: s.publish, Interval: 20 * time.Millisecond})
	early, err := db.Bun.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := outbox.Append(t.Context(), early, newEvent(t, "slow", 0)); err != nil {
		t.Fatal(err)
	}
	for i := range 40 { // all partitions, that of "slow" too
		appendEvents(t, db, newEvent(t, fmt.Sprint("quick-", i), i))
	}
	eventually(t, "the quick ones", func() bool { return s.count() == 40 })

	second := make(chan struct{})
	go func() {
		defer close(second)
		appendEvents(t, db, newEvent(t, "slow", 1))
	}()
	time.Sleep(100 * time.Millisecond)
	if got := s.count(); got != 40 {
		t.Errorf("%d published: an aggregate's second event overtook its first", got)
	}
	if err := early.Commit(); err != nil {
		t.Fatal(err)
	}
	<-second
	eventually(t, "the slow ones", func() bool { return s.count() == 42 })
	if got := s.got()[40:]; !slices.Equal(got, []string{"slow:0", "slow:1"}) {
		t.Errorf("published %v", got)
	}
}

// A crash after the bus has the event and before that is recorded.
func TestCrashBetweenPublishAndMark(t *testing.T) {
	db := databasetest.New(t, schema(t))
	e := newEvent(t, "person", 0)
	appendEvents(t, db, e)
	var s sink
	var crash sync.Once
	run(t, outbox.RelayOptions{DB: db, Interval: 20 * time.Millisecond, Publish: func(ctx context.Context, e event.Event) error {
		err := s.publish(ctx, e)
		crash.Do(func() { terminate(t, db) })
		return err
	}})
	eventually(t, "second publication", func() bool { return s.count() == 2 })
	eventually(t, "end of repetitions", func() bool { return unpublished(t, db) == 0 })

	consumed, recognised := 0, 2
	for _, got := range s.events {
		if got.ID != e.ID {
			t.Fatalf("published %s", got.ID)
		}
		done, err := outbox.Once(t.Context(), db, "email", got, func(context.Context, bun.Tx) error {
			consumed++
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if done {
			recognised--
		}
	}
	if consumed != 1 || recognised != 1 {
		t.Error("the repetition was not recognised")
	}
}

// terminate ends all other connections to the test's schema.
func terminate(t testing.TB, db *database.DB) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), databasetest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	name := db.Pool.Config().ConnConfig.RuntimeParams["application_name"]
	if _, err := conn.Exec(context.Background(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1", name); err != nil {
		t.Fatal(err)
	}
}

func unpublished(t testing.TB, db *database.DB) (n int) {
	t.Helper()
	if err := db.Pool.QueryRow(t.Context(), "SELECT count(*) FROM outbox WHERE published_at IS NULL").Scan(&n); err != nil {
		return -1 // the database may just be away
	}
	return n
}

func TestSweep(t *testing.T) {
	db := databasetest.New(t, schema(t))
	for i := range 3 {
		appendEvents(t, db, newEvent(t, "person", i))
	}
	if _, err := db.Pool.Exec(t.Context(), `UPDATE outbox SET published_at = now() - seq * interval '15 hours' WHERE seq < 3`); err != nil {
		t.Fatal(err)
	}
	var s sink
	run(t, outbox.RelayOptions{DB: db, Publish: s.publish, Interval: 20 * time.Millisecond})
	eventually(t, "sweep", func() bool {
		var n int
		err := db.Pool.QueryRow(t.Context(), "SELECT count(*) FROM outbox").Scan(&n)
		return err == nil && n == 2 // without that of 30 hours ago
	})
}

func TestOnce(t *testing.T) {
	db := databasetest.New(t, schema(t))
	e := newEvent(t, "person", 0)
	ran := 0
	once := func(consumer string, result error) (bool, error) {
		return outbox.Once(t.Context(), db, consumer, e, func(ctx context.Context, tx bun.Tx) error {
			ran++
			_, err := tx.NewRaw("INSERT INTO leases (name, holder, token, expires_at) VALUES (?, gen_random_uuid(), 1, now())",
				fmt.Sprint(consumer, ran)).Exec(ctx)
			return errors.Join(err, result)
		})
	}
	boom := errors.New("boom")
	if done, err := once("email", boom); done || !errors.Is(err, boom) {
		t.Errorf("failing: %t, %v", done, err)
	}
	if done, err := once("email", nil); !done || err != nil {
		t.Errorf("after the failure: %t, %v", done, err)
	}
	if done, err := once("email", nil); done || err != nil {
		t.Errorf("repetition: %t, %v", done, err)
	}
	if done, err := once("auth", nil); !done || err != nil {
		t.Errorf("another consumer: %t, %v", done, err)
	}
	var kept int
	if err := db.Pool.QueryRow(t.Context(), "SELECT count(*) FROM leases").Scan(&kept); err != nil {
		t.Fatal(err)
	}
	if ran != 3 || kept != 2 {
		t.Errorf("ran %d times and kept %d results, want 3 and 2", ran, kept)
	}
}

func TestOnceAtTheSameTime(t *testing.T) {
	db := databasetest.New(t, schema(t))
	e := newEvent(t, "person", 0)
	var all sync.WaitGroup
	var mu sync.Mutex
	ran, done := 0, 0
	for range 8 {
		all.Go(func() {
			ok, err := outbox.Once(t.Context(), db, "email", e, func(context.Context, bun.Tx) error {
				mu.Lock()
				defer mu.Unlock()
				ran++
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if ok {
				done++
			}
		})
	}
	all.Wait()
	if ran != 1 || done != 1 {
		t.Errorf("ran %d times, %d were told so", ran, done)
	}
}

func TestAppendRefuses(t *testing.T) {
	db := databasetest.New(t, schema(t))
	if err := outbox.Append(t.Context(), db.Bun, event.Event{}); err == nil {
		t.Error("appended an event without anything")
	}
	e := newEvent(t, "person", 0)
	appendEvents(t, db, e)
	if err := outbox.Append(t.Context(), db.Bun, e); !database.IsUnique(err, "outbox_pkey") {
		t.Errorf("the same event twice: %v", err)
	}
}
