package capability

import (
	"context"
	"hash/maphash"
	"math"
	"sync"
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
)

const (
	limiterShards    = 32
	defaultKeys      = 1 << 17
	evictionSampling = 8
)

// LimitStore counts requests for all gateways that share it. [RedisLimits]
// does.
type LimitStore interface {
	// Take takes cost from every window of p for key, or from none, and writes
	// their states.
	//
	// # Errors
	//
	// Any error means that it could not be reached in time; whether it has
	// counted is not known then.
	Take(ctx context.Context, p *LimitPolicy, key []byte, cost uint32, states []Limit) error
}

// Limiter counts requests by the generic cell rate algorithm: per key and
// window it keeps one time, the theoretical arrival time of the next request.
// It is safe for concurrent use, each Take is atomic over all windows, and its
// memory is bounded: when there are too many counts, those closest to being
// whole again are forgotten first.
type Limiter struct {
	shards   [limiterShards]limiterShard
	perShard int
	seed     [2]maphash.Seed
	now      func() time.Duration
	store    LimitStore
}

type limiterShard struct {
	mu sync.Mutex
	// arrival is the theoretical arrival time in nanoseconds, by two
	// independent hashes of policy, window and key: keys may be as long as they
	// like, and nobody can make two of them collide.
	arrival map[[2]uint64]int64
}

// LimiterOptions are the options of a [Limiter].
type LimiterOptions struct {
	// MaxKeys is how many keys are counted at the same time, one for each
	// window of its limit; zero means 131,072, about 6 MB.
	MaxKeys int
	// Now is the time since some moment; nil means a monotonic clock.
	Now func() time.Duration
	// Store counts for limits with store: redis; nil refuses those.
	Store LimitStore
}

// NewLimiter returns an empty limiter.
func NewLimiter(o LimiterOptions) *Limiter {
	if o.MaxKeys <= 0 {
		o.MaxKeys = defaultKeys
	}
	if o.Now == nil {
		start := time.Now()
		o.Now = func() time.Duration { return time.Since(start) }
	}
	l := &Limiter{
		// A shard has room for all windows of a key, and for others.
		perShard: max(2*filterv1.MaxLimitWindows, o.MaxKeys/limiterShards),
		seed:     [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		now:      o.Now,
		store:    o.Store,
	}
	for i := range l.shards {
		l.shards[i].arrival = make(map[[2]uint64]int64)
	}
	return l
}

// Take takes cost from every window of p for key, or from none, and writes the
// state of each window to states; cost 0 only looks. It answers StatusOK,
// StatusLimited, or StatusUnavailable, where states are not written. ctx bounds
// the waiting for a shared store, and is not looked at without one.
func (l *Limiter) Take(ctx context.Context, p *LimitPolicy, key []byte, cost uint32, states []Limit) filterv1.Status {
	states = states[:len(p.windows)]
	if !p.shared {
		return l.take(p, key, cost, states)
	}
	// Of its own, so that the caller's need not be on the heap for the others.
	shared := make([]Limit, len(states))
	if l.store.Take(ctx, p, key, cost, shared) == nil {
		copy(states, shared)
		return verdictOf(states)
	}
	// The store has counted and told of the error.
	switch p.unavailable {
	case unavailableDeny:
		return filterv1.StatusUnavailable
	case unavailableAllow:
		for i := range states {
			states[i] = Limit{Allowed: true, Remaining: p.windows[i].burst}
		}
		return filterv1.StatusOK
	}
	return l.take(p, key, cost, states)
}

func verdictOf(states []Limit) filterv1.Status {
	for i := range states {
		if !states[i].Allowed {
			return filterv1.StatusLimited
		}
	}
	return filterv1.StatusOK
}

// take counts in this process. All windows of a key are in one shard, so that
// one lock holds them together.
func (l *Limiter) take(p *LimitPolicy, key []byte, cost uint32, states []Limit) filterv1.Status {
	first := [2]uint64{maphash.Bytes(l.seed[0], key) ^ p.id[0], maphash.Bytes(l.seed[1], key) ^ p.id[1]}
	s := &l.shards[first[0]%limiterShards]
	var next [filterv1.MaxLimitWindows]int64

	s.mu.Lock()
	defer s.mu.Unlock()
	// Within the lock, so that nobody takes with an older time than the last.
	now := int64(l.now())
	for i := range p.windows {
		used := max(0, s.arrival[windowKey(first, i)]-now)
		states[i], next[i] = p.windows[i].state(used, cost)
	}
	status := verdictOf(states)
	if status != filterv1.StatusOK || cost == 0 {
		return status
	}
	s.room(l.perShard-len(p.windows), now)
	for i := range p.windows {
		s.arrival[windowKey(first, i)] = now + next[i]
		states[i].Remaining = p.windows[i].remaining(next[i])
		states[i].Reset = time.Duration(next[i])
	}
	return status
}

// windowKey tells the windows of a key apart; equal hashes of another key
// would still need a collision of both.
func windowKey(first [2]uint64, window int) [2]uint64 {
	return [2]uint64{first[0], first[1] + uint64(window)}
}

// room forgets counts until there are at most so many.
func (s *limiterShard) room(most int, now int64) {
	for len(s.arrival) > most && len(s.arrival) > 0 {
		s.evict(now)
	}
}

// evict looks at a few counts, which Go's maps return in random order, and
// forgets the whole ones; where there is none, the one that is whole first.
func (s *limiterShard) evict(now int64) {
	var victim [2]uint64
	seen, earliest := 0, int64(math.MaxInt64)
	for k, arrival := range s.arrival {
		if arrival <= now {
			delete(s.arrival, k)
		}
		if arrival < earliest {
			victim, earliest = k, arrival
		}
		if seen++; seen == evictionSampling {
			break
		}
	}
	delete(s.arrival, victim)
}

// Keys returns how many counts are kept.
func (l *Limiter) Keys() int {
	n := 0
	for i := range l.shards {
		l.shards[i].mu.Lock()
		n += len(l.shards[i].arrival)
		l.shards[i].mu.Unlock()
	}
	return n
}
