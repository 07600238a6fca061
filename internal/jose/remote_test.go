package jose_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse.example/internal/jose"
)

// keyServer is an issuer whose keys and health change.
type keyServer struct {
	*httptest.Server
	requests atomic.Int32
	mu       sync.Mutex
	keys     []jose.Key
	broken   bool
	hold     chan struct{}
}

func newKeyServer(t *testing.T, keys ...jose.Key) *keyServer {
	s := &keyServer{keys: keys}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.requests.Add(1)
		s.mu.Lock()
		keys, broken, hold := s.keys, s.broken, s.hold
		s.mu.Unlock()
		if hold != nil {
			<-hold
		}
		if broken {
			http.Error(w, "broken", http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(jose.PublicSet(keys...))
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *keyServer) set(broken bool, keys ...jose.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken, s.keys = broken, keys
}

func (s *keyServer) wantRequests(t *testing.T, want int32) {
	t.Helper()
	if got := s.requests.Load(); got != want {
		t.Errorf("%d requests, want %d", got, want)
	}
}

func mustKey(t *testing.T) jose.Key {
	t.Helper()
	key, err := jose.GenerateES256()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// steppedClock is a clock that a test moves.
type steppedClock struct{ offset atomic.Int64 }

func (c *steppedClock) now() time.Time          { return now.Add(time.Duration(c.offset.Load())) }
func (c *steppedClock) advance(d time.Duration) { c.offset.Add(int64(d)) }

func TestRemoteSet(t *testing.T) {
	first, second := mustKey(t), mustKey(t)
	server := newKeyServer(t, first)
	clock := &steppedClock{}
	set := jose.NewRemoteSet(jose.RemoteOptions{
		URL: server.URL, Client: server.Client(),
		Refresh: 10 * time.Minute, MinRefresh: 10 * time.Second, MaxStale: time.Hour, Now: clock.now,
	})
	find := func(key jose.Key, want error) {
		t.Helper()
		got, err := set.Key(context.Background(), key.KID, jose.ES256)
		set.Settle()
		if !errors.Is(err, want) || (want == nil && got.KID != key.KID) {
			t.Errorf("key %q, %v; want %v", got.KID, err, want)
		}
	}
	find(first, nil)
	find(first, nil)
	server.wantRequests(t, 1)

	// A stranger's kid asks again, but not at once and not each time.
	for range 5 {
		find(second, jose.ErrUnknownKey)
	}
	server.wantRequests(t, 1)
	clock.advance(11 * time.Second)
	for range 5 {
		find(second, jose.ErrUnknownKey)
	}
	server.wantRequests(t, 2)

	// A rotation is found by the new kid.
	server.set(false, first, second)
	clock.advance(11 * time.Second)
	find(second, nil)
	server.wantRequests(t, 3)

	// Keys that cannot be refreshed are used on, and asking slows down.
	server.set(true)
	clock.advance(11 * time.Minute)
	find(second, nil)
	server.wantRequests(t, 4)
	clock.advance(15 * time.Second) // after one failure the pause is 20 s
	find(second, nil)
	server.wantRequests(t, 4)
	clock.advance(6 * time.Second)
	find(second, nil)
	server.wantRequests(t, 5)

	// But not for ever: then the reason is the error, not an unknown key.
	clock.advance(2 * time.Hour)
	if _, err := set.Key(context.Background(), second.KID, jose.ES256); err == nil || errors.Is(err, jose.ErrUnknownKey) {
		t.Errorf("keys without an owner: %v", err)
	}

	// A key that its owner withdrew is gone with the next refresh.
	server.set(false, first)
	clock.advance(time.Hour)
	find(first, nil)
	find(second, jose.ErrUnknownKey)
}

func TestRemoteSetAsksOnceForMany(t *testing.T) {
	key := mustKey(t)
	server := newKeyServer(t, key)
	server.hold = make(chan struct{})
	set := jose.NewRemoteSet(jose.RemoteOptions{URL: server.URL, Client: server.Client()})
	var waiting sync.WaitGroup
	for range 20 {
		waiting.Go(func() {
			if _, err := set.Key(context.Background(), key.KID, jose.ES256); err != nil {
				t.Error(err)
			}
		})
	}
	for server.requests.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	// Who cannot wait does not.
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := set.Key(ctx, key.KID, jose.ES256); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waited: %v", err)
	}
	close(server.hold)
	waiting.Wait()
	server.wantRequests(t, 1)
}

func TestRemoteSetSurvivesItsFirstCaller(t *testing.T) {
	key := mustKey(t)
	server := newKeyServer(t, key)
	set := jose.NewRemoteSet(jose.RemoteOptions{URL: server.URL, Client: server.Client(), MinRefresh: time.Hour})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, _ = set.Key(ctx, key.KID, jose.ES256)
	if _, err := set.Key(context.Background(), key.KID, jose.ES256); err != nil {
		t.Errorf("the next caller: %v", err)
	}
	server.wantRequests(t, 1)
}

func TestRemoteSetRefusesOtherDocuments(t *testing.T) {
	for name, body := range map[string]string{"html": "<html>", "no keys": "{}", "too long": `{"keys":[]}` + string(make([]byte, 2<<20))} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }))
		set := jose.NewRemoteSet(jose.RemoteOptions{URL: server.URL, Client: server.Client()})
		if _, err := set.Key(context.Background(), "a", jose.ES256); err == nil || errors.Is(err, jose.ErrUnknownKey) {
			t.Errorf("%s: %v", name, err)
		}
		server.Close()
	}
}

// TestGoodKeysDoNotWait: while the owner's server hangs, tokens of known keys
// go on, and who names an unknown key waits a second at most.
func TestGoodKeysDoNotWait(t *testing.T) {
	key := mustKey(t)
	server := newKeyServer(t, key)
	clock := &steppedClock{}
	set := jose.NewRemoteSet(jose.RemoteOptions{URL: server.URL, Client: server.Client(), Refresh: time.Minute, Timeout: time.Hour, Now: clock.now})
	if _, err := set.Key(t.Context(), key.KID, jose.ES256); err != nil {
		t.Fatal(err)
	}
	hold := make(chan struct{})
	server.mu.Lock()
	server.hold = hold
	server.mu.Unlock()
	clock.advance(90 * time.Second)
	for range 100 {
		if _, err := set.Key(t.Context(), key.KID, jose.ES256); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := set.Key(ctx, "made-up", jose.ES256); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("unknown key, caller in a hurry: %v", err)
	}
	if _, err := set.Key(t.Context(), "made-up", jose.ES256); !errors.Is(err, jose.ErrUnknownKey) {
		t.Errorf("unknown key: %v", err)
	}
	close(hold)
	set.Settle()
	server.wantRequests(t, 2)
}

// TestWithdrawnKeyAfterSilence: the first token after a long time without any
// waits for the owner's answer, which may be that its key is withdrawn.
func TestWithdrawnKeyAfterSilence(t *testing.T) {
	old, next := mustKey(t), mustKey(t)
	server := newKeyServer(t, old)
	clock := &steppedClock{}
	set := jose.NewRemoteSet(jose.RemoteOptions{URL: server.URL, Client: server.Client(), Now: clock.now})
	if _, err := set.Key(t.Context(), old.KID, jose.ES256); err != nil {
		t.Fatal(err)
	}
	server.set(false, next)
	clock.advance(12 * time.Hour)
	if _, err := set.Key(t.Context(), old.KID, jose.ES256); !errors.Is(err, jose.ErrUnknownKey) {
		t.Errorf("withdrawn key: %v", err)
	}
}

// TestUnknownKeyWhileTheOwnerIsDown: nobody knows whether the key exists.
func TestUnknownKeyWhileTheOwnerIsDown(t *testing.T) {
	key, rotated := mustKey(t), mustKey(t)
	server := newKeyServer(t, key)
	clock := &steppedClock{}
	set := jose.NewRemoteSet(jose.RemoteOptions{URL: server.URL, Client: server.Client(), Now: clock.now})
	if _, err := set.Key(t.Context(), key.KID, jose.ES256); err != nil {
		t.Fatal(err)
	}
	server.set(true)
	clock.advance(time.Minute)
	for range 2 { // the second does not ask again
		if _, err := set.Key(t.Context(), rotated.KID, jose.ES256); err == nil || errors.Is(err, jose.ErrUnknownKey) {
			t.Errorf("unknown key: %v", err)
		}
	}
	if _, err := set.Key(t.Context(), key.KID, jose.ES256); err != nil {
		t.Errorf("known key: %v", err)
	}
	server.wantRequests(t, 2)
}

func TestCloseEndsTheRequest(t *testing.T) {
	server := newKeyServer(t, mustKey(t))
	server.hold = make(chan struct{})
	defer close(server.hold)
	set := jose.NewRemoteSet(jose.RemoteOptions{URL: server.URL, Client: server.Client(), Timeout: time.Hour})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, _ = set.Key(ctx, "a", jose.ES256)
	set.Close()
	if _, err := set.Key(t.Context(), "a", jose.ES256); err == nil {
		t.Error("a closed set has keys")
	}
}
