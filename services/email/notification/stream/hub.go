package stream

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"gatehouse.example/internal/bus"
	"gatehouse.example/internal/event"
	"gatehouse.example/internal/identity"
	"gatehouse.example/services/email/notification"
)

const (
	// maxPerUser bounds the streams of one person in one process.
	maxPerUser = 10
	// checkInterval is how often streams are held against the revocations.
	checkInterval = 200 * time.Millisecond
	// maxBlind is how long a stream goes on while the list of revocations is not
	// known to be complete: as long as an internal token counts. Whoever comes
	// back is verified by the gateway again.
	maxBlind = identity.TokenLifetime

	defaultHeartbeat    = 15 * time.Second
	defaultLifetime     = 30 * time.Minute
	defaultWriteTimeout = 10 * time.Second
)

// The reasons for which a stream ends before its reader goes.
var (
	errRevoked  = errors.New("the credential was revoked")
	errExpired  = errors.New("the credential has expired")
	errBlind    = errors.New("the list of revocations is out of reach")
	errStopping = errors.New("the process stops")
)

// Options configures [New].
type Options struct {
	// Bus brings notices and revocations. Required for Run.
	Bus *bus.Bus
	// Feed is read. Required.
	Feed notification.Feed
	// Represent returns the JSON of a notification in one line, for the reader
	// that sent the request. Required.
	Represent func(r *http.Request, n notification.Notification) ([]byte, error)
	// Heartbeat is the longest pause between two signs of life and two looks at
	// the database; 0 means 15 s. Lifetime ends every stream; 0 means 30 min.
	Heartbeat, Lifetime time.Duration
	// WriteTimeout is how long a reader may take nothing; 0 means 10 s. It may
	// come back.
	WriteTimeout time.Duration
	// Logger is nil for slog.Default.
	Logger *slog.Logger
}

// Hub is the streams of one process. It is safe for concurrent use.
type Hub struct {
	o Options

	mu          sync.Mutex
	streams     map[string]map[*stream]struct{} // by user
	count       int
	revocations *bus.Revocations // nil unless it runs
	blindSince  time.Time        // zero while the revocations are complete
	draining    bool
	idle        *sync.Cond // count has become 0
}

// New returns a hub whose streams are answered 503 until [Hub.Run] is ready.
func New(o Options) *Hub {
	if o.Heartbeat <= 0 {
		o.Heartbeat = defaultHeartbeat
	}
	if o.Lifetime <= 0 {
		o.Lifetime = defaultLifetime
	}
	if o.WriteTimeout <= 0 {
		o.WriteTimeout = defaultWriteTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	h := &Hub{o: o, streams: map[string]map[*stream]struct{}{}}
	h.idle = sync.NewCond(&h.mu)
	return h
}

// Run loads the revocations, then lets streams in until ctx is done, ends them
// and waits for them. It may be called again after it has returned.
func (h *Hub) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends what the bus does for us
	revocations, err := bus.FollowRevocations(ctx, h.o.Bus)
	if err == nil {
		err = h.o.Bus.Subscribe(ctx, event.NoticeNotification("*"), func(data []byte) { h.wake(string(data)) })
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	h.mu.Lock()
	h.revocations, h.blindSince = revocations, time.Time{}
	h.mu.Unlock()
	defer h.stop()
	tick := time.NewTicker(checkInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			h.check(now)
		}
	}
}

// Ready reports whether streams are let in.
func (h *Hub) Ready() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.revocations == nil {
		return errors.New("the list of revocations is not loaded yet")
	}
	return nil
}

// Drain ends all streams and lets none in any more: a server that shuts down
// waits for answers that go on, and these would.
func (h *Hub) Drain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.draining = true
	h.each(func(s *stream) { s.end(errStopping) })
}

// Streams returns how many there are.
func (h *Hub) Streams() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count
}

// stop ends all streams and waits until they have.
func (h *Hub) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.revocations = nil
	h.each(func(s *stream) { s.end(errStopping) })
	for h.count > 0 {
		h.idle.Wait()
	}
}

// each calls fn for each stream; the hub is locked.
func (h *Hub) each(fn func(*stream)) {
	for _, all := range h.streams {
		for s := range all {
			fn(s)
		}
	}
}

// wake has the streams of a person look at the database. It never waits: a
// stream that has not looked since the last time looks once for both.
func (h *Hub) wake(userID string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.streams[userID] {
		select {
		case s.woken <- struct{}{}:
		default:
		}
	}
}

// check ends the streams whose credential was revoked, and those of which
// nobody knows.
func (h *Hub) check(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.revocations.Connected():
		h.blindSince = time.Time{}
	case h.blindSince.IsZero():
		h.blindSince = now
	}
	h.each(func(s *stream) {
		switch {
		case revoked(h.revocations, s.principal):
			s.end(errRevoked)
		case !s.principal.CredentialExpires.IsZero() && !now.Before(s.principal.CredentialExpires):
			s.end(errExpired)
		case !h.blindSince.IsZero() && now.Sub(h.blindSince) > maxBlind && now.Sub(s.began) > maxBlind:
			s.end(errBlind)
		}
	})
}

// revoked reports whether anything that the principal came with has ended. The
// id of a token may be that of an API key.
func revoked(r *bus.Revocations, p identity.Principal) bool {
	has := func(kind, id string) bool { return id != "" && r.Revoked(kind, id) }
	return has(bus.KindSession, p.SessionID) || has(bus.KindJTI, p.TokenID) ||
		has(bus.KindKey, p.TokenID) || has(bus.KindKey, p.RevocationID) || has(bus.KindClient, p.ClientID)
}
