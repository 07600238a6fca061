package jose

import (
	"context"
	"errors"
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
// concurrently and needs no end: it has no goroutine of its own.
type RemoteSet struct {
	options RemoteOptions

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

// Key implements [Set]. It may wait for one request. Keys past their time are
// used while their owner does not answer, for MaxStale at most.
func (s *RemoteSet) Key(ctx context.Context, kid, alg string) (Key, error) {
	key, known, fresh, err := s.lookup(ctx, kid, alg)
	if known && fresh {
		return key, nil
	}
	// Only who finds no key waits for a request that another one makes.
	s.refresh(ctx, !known)
	if refreshed, ok, _, e := s.lookup(ctx, kid, alg); ok {
		return refreshed, nil
	} else if e != nil {
		err = e
	}
	if ctx.Err() != nil {
		return Key{}, ctx.Err()
	}
	return Key{}, err
}

// lookup looks at the keys at hand. An error that is not ErrUnknownKey says why
// there are none.
func (s *RemoteSet) lookup(ctx context.Context, kid, alg string) (key Key, known, fresh bool, err error) {
	s.mu.Lock()
	keys, age, last := s.keys, s.options.Now().Sub(s.fetched), s.lastErr
	s.mu.Unlock()
	if keys == nil || age > s.options.Refresh+s.options.MaxStale {
		if last == nil {
			last = ErrUnknownKey
		}
		return Key{}, false, false, last
	}
	key, err = keys.Key(ctx, kid, alg)
	return key, err == nil, age < s.options.Refresh, err
}

// refresh asks for the keys, unless somebody else does or it is too early.
func (s *RemoteSet) refresh(ctx context.Context, wait bool) {
	s.mu.Lock()
	if flight := s.flight; flight != nil {
		s.mu.Unlock()
		if wait {
			select {
			case <-flight:
			case <-ctx.Done():
			}
		}
		return
	}
	now := s.options.Now()
	pause := min(s.options.MinRefresh<<min(s.failures, 16), max(s.options.Refresh, s.options.MinRefresh))
	if !s.attempted.IsZero() && now.Sub(s.attempted) < pause {
		s.mu.Unlock()
		return
	}
	flight := make(chan struct{})
	s.flight, s.attempted = flight, now
	s.mu.Unlock()

	var keys []Key
	err := errors.New("request panicked")
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.flight, s.lastErr = nil, err
		if err == nil {
			s.keys, s.fetched, s.failures = keys, now, 0
		} else {
			s.failures++
		}
		close(flight)
	}()
	// Others wait for the answer too: it must not end with this caller.
	fetchCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.options.Timeout)
	defer cancel()
	var data []byte
	if data, err = s.options.Fetch(fetchCtx); err == nil {
		keys, err = parseKeys(data)
	}
	if err != nil {
		err = fmt.Errorf("refresh keys of %s: %w", s.options.URL, err)
	}
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
