package stream_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse.example/internal/bus"
	"gatehouse.example/internal/bus/embedded"
	"gatehouse.example/internal/identity"
	"gatehouse.example/services/email/notification"
	"gatehouse.example/services/email/notification/stream"
)

// empty is a feed of nothing.
type empty struct{}

var _ notification.Feed = empty{}

func (empty) Newest(context.Context, string) (string, error) { return uuid.Nil.String(), nil }
func (empty) Unread(context.Context, string) (int, error)    { return 0, nil }
func (empty) Since(context.Context, string, string, int) ([]notification.Notification, error) {
	return nil, nil
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 20 s", what)
		}
	}
}

// While the broker is away streams go on, but not for longer than a token would
// count; when it is back, so are revocations.
func TestBrokerAway(t *testing.T) {
	o := embedded.Options{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)}
	broker, err := embedded.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	o.Listen = broker.Addr()
	t.Cleanup(func() { broker.Stop() })
	b, err := bus.Connect(t.Context(), bus.Options{URL: broker.URL(), Logger: o.Logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	hub := stream.New(stream.Options{Bus: b, Feed: empty{}, Logger: o.Logger})
	if hub.Ready() == nil {
		t.Error("ready before it runs")
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- hub.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	eventually(t, "ready", func() bool { return hub.Ready() == nil })
	session := uuid.NewString()
	p := identity.Principal{Kind: identity.KindUser, Subject: uuid.NewString(), SessionID: session}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hub.ServeHTTP(w, r.WithContext(identity.WithPrincipal(r.Context(), p)))
	}))
	t.Cleanup(server.Close)
	open := func() {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := server.Client().Do(r)
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("%v, %v", response, err)
		}
		go func() { _, _ = io.Copy(io.Discard, response.Body); response.Body.Close() }()
	}
	open()
	broker.Stop()
	eventually(t, "the loss to be seen", func() bool { return b.Ready(t.Context()) != nil })
	hub.Check(time.Now())
	hub.Check(time.Now().Add(stream.MaxBlind / 2))
	open()
	if n := hub.Streams(); n != 2 {
		t.Errorf("%d streams while the broker is away", n)
	}
	hub.Check(time.Now().Add(stream.MaxBlind + time.Second))
	eventually(t, "the end of streams that nobody watches over", func() bool { return hub.Streams() == 0 })

	if broker, err = embedded.Start(o); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the broker again", func() bool { return b.Ready(t.Context()) == nil })
	open()
	eventually(t, "a revocation", func() bool { return b.Revoke(t.Context(), bus.KindSession, session, time.Now().Add(time.Hour)) == nil })
	eventually(t, "its stream's end", func() bool { return hub.Streams() == 0 })
}
