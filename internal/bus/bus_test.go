package bus_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse.example/internal/bus"
	"gatehouse.example/internal/bus/embedded"
	"gatehouse.example/internal/event"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// broker is an embedded server that a test can stop and start again.
type broker struct {
	t    *testing.T
	dir  string
	addr string
	s    *embedded.Server
}

func newBroker(t *testing.T) *broker {
	t.Helper()
	b := &broker{t: t, dir: t.TempDir()}
	b.start()
	b.addr = b.s.Addr()
	t.Cleanup(func() { b.s.Stop() })
	return b
}

func (b *broker) start() {
	b.t.Helper()
	s, err := embedded.Start(embedded.Options{Dir: b.dir, SyncAlways: true, Listen: b.addr, Logger: quiet()})
	if err != nil {
		b.t.Fatal(err)
	}
	b.s = s
}

func connect(t *testing.T, b *broker) *bus.Bus {
	t.Helper()
	c, err := bus.Connect(t.Context(), bus.Options{URL: b.s.URL(), Name: t.Name(), Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.EnsureStream(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

func newEvent(t *testing.T, typ string, n int) event.Event {
	t.Helper()
	e, err := event.New("gatehouse/test", typ, "subject", map[string]int{"n": n}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s: not within 20 s", what)
}

// log records what a handler got.
type log struct {
	mu  sync.Mutex
	ids []string
}

func (l *log) add(id string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ids = append(l.ids, id)
	return len(l.ids)
}

func (l *log) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.ids)
}

// consume runs a consumer until the test ends or stop is called.
func consume(t *testing.T, b *bus.Bus, c bus.Consumer) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Consume(ctx, c) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("consume: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func TestConsumeInOrderOverFailures(t *testing.T) {
	b := connect(t, newBroker(t))
	var want []string
	for i := range 5 {
		e := newEvent(t, event.TypeUserUpdated, i)
		want = append(want, e.ID)
		if err := b.Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		if err := b.Publish(t.Context(), e); err != nil { // a relay may do so
			t.Fatal(err)
		}
	}
	if err := b.Publish(t.Context(), newEvent(t, event.TypeUserDeleted, 0)); err != nil {
		t.Fatal(err)
	}
	var handled log
	failures := map[string]int{}
	consume(t, b, bus.Consumer{
		Name: "ordered", Types: []string{event.TypeUserUpdated}, Logger: quiet(),
		Backoff: []time.Duration{10 * time.Millisecond},
		Handle: func(_ context.Context, e event.Event) error {
			failures[e.ID]++
			switch {
			case e.ID == want[1] && failures[e.ID] < 3:
				return errors.New("not yet")
			case e.ID == want[2] && failures[e.ID] < 2:
				panic("a bug")
			}
			handled.add(e.ID)
			return nil
		},
	})
	eventually(t, "all handled", func() bool { return len(handled.all()) >= 5 })
	time.Sleep(50 * time.Millisecond)
	if got := handled.all(); !slices.Equal(got, want) {
		t.Errorf("handled %v, want %v", got, want)
	}
}

func TestConsumeSeveralAtOnce(t *testing.T) {
	b := connect(t, newBroker(t))
	for i := range 4 {
		if err := b.Publish(t.Context(), newEvent(t, event.TypeUserUpdated, i)); err != nil {
			t.Fatal(err)
		}
	}
	var meet sync.WaitGroup
	meet.Add(4)
	var handled log
	consume(t, b, bus.Consumer{Name: "wide", MaxAckPending: 4, Logger: quiet(), Handle: func(_ context.Context, e event.Event) error {
		meet.Done()
		meet.Wait() // only if all four are at work
		handled.add(e.ID)
		return nil
	}})
	eventually(t, "all at once", func() bool { return len(handled.all()) == 4 })
}

func TestDeadAndReplay(t *testing.T) {
	b := connect(t, newBroker(t))
	tired, broken := newEvent(t, event.TypeUserUpdated, 1), newEvent(t, event.TypeUserUpdated, 2)
	last := newEvent(t, event.TypeUserUpdated, 3)
	for _, e := range []event.Event{tired, broken, last} {
		if err := b.Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	var seen, handled log
	var mu sync.Mutex
	cured := false
	consume(t, b, bus.Consumer{
		Name: "picky", Logger: quiet(), MaxDeliver: 3, Backoff: []time.Duration{time.Millisecond},
		Handle: func(_ context.Context, e event.Event) error {
			seen.add(e.ID)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case e.ID == tired.ID && !cured:
				return errors.New("line one\nline two")
			case e.ID == broken.ID:
				return fmt.Errorf("wrapped: %w", bus.Permanent(errors.New("no such thing")))
			}
			handled.add(e.ID)
			return nil
		},
	})
	eventually(t, "last one", func() bool { return slices.Contains(handled.all(), last.ID) })
	if got, want := seen.all(), []string{tired.ID, tired.ID, tired.ID, broken.ID, last.ID}; !slices.Equal(got, want) {
		t.Errorf("deliveries %v, want %v", got, want)
	}
	dead, err := b.Dead(t.Context(), 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(dead) != 2 || dead[0].Event.ID != tired.ID || dead[0].Consumer != "picky" || dead[0].Error != "line one\nline two" {
		t.Fatalf("dead: %+v", dead)
	}
	mu.Lock()
	cured = true
	mu.Unlock()
	if err := b.Replay(t.Context(), dead[0].Sequence); err != nil {
		t.Fatal(err)
	}
	eventually(t, "replay", func() bool { return slices.Contains(handled.all(), tired.ID) })
	if dead, err = b.Dead(t.Context(), 0, 10); err != nil || len(dead) != 1 {
		t.Errorf("after the replay: %+v, %v", dead, err)
	}
}

func TestBrokerRestart(t *testing.T) {
	br := newBroker(t)
	b := connect(t, br)
	var handled log
	consume(t, b, bus.Consumer{Name: "patient", Logger: quiet(), Handle: func(_ context.Context, e event.Event) error {
		handled.add(e.ID)
		return nil
	}})
	first := newEvent(t, event.TypeUserUpdated, 1)
	if err := b.Publish(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	eventually(t, "first event", func() bool { return slices.Contains(handled.all(), first.ID) })

	br.s.Stop()
	eventually(t, "the loss to be seen", func() bool { return b.Ready(t.Context()) != nil })
	begun := time.Now()
	if err := b.Publish(t.Context(), newEvent(t, event.TypeUserUpdated, 2)); err == nil {
		t.Error("published to a broker that is not there")
	}
	if d := time.Since(begun); d > time.Second {
		t.Errorf("Publish without a broker took %s", d)
	}
	br.start()
	eventually(t, "ready again", func() bool { return b.Ready(t.Context()) == nil })
	third := newEvent(t, event.TypeUserUpdated, 3)
	eventually(t, "publish again", func() bool { return b.Publish(t.Context(), third) == nil })
	eventually(t, "third event", func() bool { return slices.Contains(handled.all(), third.ID) })
	// The broker may not have heard that the first was handled.
	if got := slices.Compact(handled.all()); !slices.Equal(got, []string{first.ID, third.ID}) {
		t.Errorf("handled %v", got)
	}
}

// A service may start before the streams are made.
func TestConsumeBeforeStream(t *testing.T) {
	br := newBroker(t)
	b, err := bus.Connect(t.Context(), bus.Options{URL: br.s.URL(), Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var handled log
	stop := consume(t, b, bus.Consumer{Name: "early", Logger: quiet(), Handle: func(_ context.Context, e event.Event) error {
		handled.add(e.ID)
		return nil
	}})
	time.Sleep(50 * time.Millisecond)
	if err := b.EnsureStream(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(t.Context(), newEvent(t, event.TypeUserUpdated, 1)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "event", func() bool { return len(handled.all()) == 1 })
	stop()
}

func TestStopDuringHandler(t *testing.T) {
	b := connect(t, newBroker(t))
	e := newEvent(t, event.TypeUserUpdated, 1)
	if err := b.Publish(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	began := make(chan struct{})
	stop := consume(t, b, bus.Consumer{Name: "c", Logger: quiet(), Handle: func(ctx context.Context, _ event.Event) error {
		close(began)
		<-ctx.Done()
		return ctx.Err()
	}})
	<-began
	stop()
	var handled log
	begun := time.Now()
	consume(t, b, bus.Consumer{Name: "c", Logger: quiet(), Handle: func(_ context.Context, e event.Event) error {
		handled.add(e.ID)
		return nil
	}})
	eventually(t, "delivery to the next process", func() bool { return slices.Equal(handled.all(), []string{e.ID}) })
	if d := time.Since(begun); d > 5*time.Second {
		t.Errorf("the event was free only after %s", d)
	}
}

func TestNotices(t *testing.T) {
	b := connect(t, newBroker(t))
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan string, 10)
	if err := b.Subscribe(ctx, "gatehouse.notice.>", func(d []byte) { got <- string(d) }); err != nil {
		t.Fatal(err)
	}
	if err := b.Notify(t.Context(), "gatehouse.notice.person", []byte("hello")); err != nil {
		t.Fatal(err)
	}
	select {
	case d := <-got:
		if d != "hello" {
			t.Errorf("got %q", d)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("no notice")
	}
	cancel()
}

func TestKeyValue(t *testing.T) {
	b := connect(t, newBroker(t))
	kv, err := b.KeyValue(t.Context(), "things", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Get(t.Context(), "a.b"); !errors.Is(err, bus.ErrNotFound) {
		t.Errorf("missing key: %v", err)
	}
	if err := kv.Put(t.Context(), "a.b", []byte("1")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	changes := make(chan string, 10)
	done := make(chan error, 1)
	go func() {
		done <- kv.Watch(ctx, func(e bus.Entry) { changes <- fmt.Sprintf("%s=%s %t", e.Key, e.Value, e.Deleted) })
	}()
	expect := func(want string) {
		t.Helper()
		select {
		case got := <-changes:
			if got != want {
				t.Errorf("change %q, want %q", got, want)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("no change, want %q", want)
		}
	}
	expect("a.b=1 false")
	if err := kv.Put(t.Context(), "a.b", []byte("2")); err != nil {
		t.Fatal(err)
	}
	expect("a.b=2 false")
	if v, err := kv.Get(t.Context(), "a.b"); err != nil || string(v) != "2" {
		t.Errorf("get: %q, %v", v, err)
	}
	if err := kv.Delete(t.Context(), "a.b"); err != nil {
		t.Fatal(err)
	}
	expect("a.b= true")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestConnectErrors(t *testing.T) {
	br := newBroker(t)
	for _, tt := range []struct{ name, url, want string }{
		{"wrong token", "nats://secret-token@" + br.s.Addr(), "Authorization Violation"},
		{"no URL", "nats://secret-token@%zz", "want nats://"},
		{"empty", "", "want nats://"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, err := bus.Connect(t.Context(), bus.Options{URL: tt.url, Logger: quiet()})
			if err == nil {
				b.Close()
				t.Fatal("connected")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q, want %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "secret-token") {
				t.Errorf("error %q contains the token", err)
			}
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		_ = l.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, err = bus.Connect(ctx, bus.Options{URL: "nats://name:secret-word@" + addr, Logger: quiet()})
		if err == nil {
			t.Fatal("connected to nobody")
		}
		if text := err.Error(); !strings.Contains(text, addr+": nats: no servers") || !strings.Contains(text, "bus.url") || strings.Contains(text, "secret-word") {
			t.Errorf("error %q, want the address and what to do", text)
		}
	})
}

func TestInProcess(t *testing.T) {
	br := newBroker(t)
	b, err := bus.Connect(t.Context(), bus.Options{URL: br.s.URL(), InProcess: br.s, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
}
