package jose

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// RemoteOptions configure a [RemoteSet].
type RemoteOptions struct {
	// URL is where the key set is.
	URL string
	// Client gets it. For a URL that a stranger supplied it must come from
	// internal/outbound. nil is http.DefaultClient.
	Client *http.Client
	// Fetch gets the key set in place of URL and Client, if it is set.
	Fetch func(ctx context.Context) ([]byte, error)
	// Refresh is how old the keys may become; 0 is ten minutes.
	Refresh time.Duration
	// MinRefresh is the least time between two requests; 0 is ten seconds.
	// It doubles with each failure, up to Refresh.
	MinRefresh time.Duration
	// MaxStale is how long keys are used that cannot be refreshed; 0 is a day.
	// A key that its owner withdrew must end some time.
	MaxStale time.Duration
	// Timeout bounds one request; 0 is five seconds.
	Timeout time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// RemoteSet is the key set behind a URL. It asks when it must: at first use,
// when its keys are old, and when a token names an unknown key, but never more
// often than MinRefresh allows and never twice at once. It may be used
// concurrently. A request has a goroutine of its own, which ends with it, after
// Timeout at most; [RemoteSet.Close] ends it sooner.
type RemoteSet struct {
	options RemoteOptions
	ended   context.Context
	stop    context.CancelFunc

	mu        sync.Mutex
	keys      staticSet
	fetched   time.Time
	attempted time.Time
	failures  uint
	lastErr   error
	flight    chan struct{} // closed when the request under way ends; nil if there is none
}

// maxKeySetBytes bounds a key set document.
const maxKeySetBytes = 1 << 20

// NewRemoteSet returns a set that has not asked for its keys yet.
func NewRemoteSet(o RemoteOptions) *RemoteSet {
	o.Refresh = orDefault(o.Refresh, 10*time.Minute)
	o.MinRefresh = orDefault(o.MinRefresh, 10*time.Second)
	o.MaxStale = orDefault(o.MaxStale, 24*time.Hour)
	o.Timeout = orDefault(o.Timeout, 5*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Client == nil {
		o.Client = http.DefaultClient
	}
	s := &RemoteSet{options: o}
	s.ended, s.stop = context.WithCancel(context.Background())
	if s.options.Fetch == nil {
		s.options.Fetch = s.get
	}
	return s
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

// Close ends a request under way and waits for it. The set answers from the
// keys at hand afterwards.
func (s *RemoteSet) Close() {
	s.stop()
	s.mu.Lock()
	flight := s.flight
	s.mu.Unlock()
	if flight != nil {
		<-flight
	}
}

// Key implements [Set]. Who finds its key among keys that are not older than
// twice Refresh never waits. Keys past their time are used while their owner
// does not answer, for MaxStale at most. An unknown key makes the caller wait
// for one request: not longer than ctx allows, and a second where the set has
// other keys, so that made-up ids hold nobody up.
func (s *RemoteSet) Key(ctx context.Context, kid, alg string) (Key, error) {
	f := s.lookup(ctx, kid, alg)
	if f.err == nil && f.age < s.options.Refresh {
		return f.key, nil
	}
	flight := s.refresh()
	if flight == nil || !s.worthWaiting(f) {
		return f.key, s.explain(f)
	}
	patience := s.options.Timeout
	if f.any {
		patience = min(patience, unknownPatience)
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-flight:
	case <-timer.C:
	case <-ctx.Done():
	}
	if f = s.lookup(ctx, kid, alg); f.err == nil {
		return f.key, nil
	}
	if ctx.Err() != nil {
		return Key{}, ctx.Err()
	}
	return Key{}, s.explain(f)
}

// unknownPatience is how long one waits for a key that may not exist.
const unknownPatience = time.Second

// found is what the keys at hand say.
type found struct {
	key Key
	err error
	age time.Duration
	// any is true where there are keys that may be used.
	any bool
	// failures counts the requests that failed since, the last for lastErr.
	failures uint
	lastErr  error
}

// lookup looks at the keys at hand.
func (s *RemoteSet) lookup(ctx context.Context, kid, alg string) found {
	s.mu.Lock()
	keys := s.keys
	f := found{age: s.options.Now().Sub(s.fetched), failures: s.failures, lastErr: s.lastErr}
	s.mu.Unlock()
	if keys == nil || f.age > s.options.Refresh+s.options.MaxStale {
		f.err = ErrUnknownKey
		return f
	}
	f.any = true
	f.key, f.err = keys.Key(ctx, kid, alg)
	return f
}

// worthWaiting reports whether a request may change the answer: a key is
// missing, or so old that it may have been withdrawn and the owner was well
// when last asked.
func (s *RemoteSet) worthWaiting(f found) bool {
	return f.err != nil || (f.age >= 2*s.options.Refresh && f.failures == 0)
}

// explain returns the reason for a key that was not found: while its owner
// cannot be asked nobody knows whether it exists.
func (s *RemoteSet) explain(f found) error {
	if f.err != nil && f.lastErr != nil {
		return f.lastErr
	}
	return f.err
}

// refresh asks for the keys, unless it is too early, and returns what is closed
// when the request under way ends; nil where there is none.
func (s *RemoteSet) refresh() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flight != nil {
		return s.flight
	}
	now := s.options.Now()
	pause := min(s.options.MinRefresh<<min(s.failures, 16), max(s.options.Refresh, s.options.MinRefresh))
	if s.ended.Err() != nil || !s.attempted.IsZero() && now.Sub(s.attempted) < pause {
		return nil
	}
	flight := make(chan struct{})
	s.flight, s.attempted = flight, now
	// Others wait for the answer too: it must not end with this caller.
	go s.fetch(now, flight)
	return flight
}

// fetch asks for the keys and keeps them.
func (s *RemoteSet) fetch(now time.Time, flight chan struct{}) {
	ctx, cancel := context.WithTimeout(s.ended, s.options.Timeout)
	defer cancel()
	var keys []Key
	data, err := s.options.Fetch(ctx)
	if err == nil {
		keys, err = parseKeys(data)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(flight)
	s.flight = nil
	if err != nil {
		s.lastErr = fmt.Errorf("refresh keys of %s: %w", s.options.URL, err)
		s.failures++
		return
	}
	s.keys, s.fetched, s.failures, s.lastErr = keys, now, 0, nil
}

func (s *RemoteSet) get(ctx context.Context) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.options.URL, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	response, err := s.options.Client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %s", response.Status)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxKeySetBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxKeySetBytes {
		return nil, fmt.Errorf("answer is longer than %d bytes", maxKeySetBytes)
	}
	return data, nil
}
