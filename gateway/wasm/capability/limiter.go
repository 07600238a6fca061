package capability

import (
	"context"
	"hash/maphash"
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
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
// It is safe for concurrent use, and each Take is atomic over all windows.
//
// Its memory is bounded for each policy by itself: when that has too many keys,
// those of it are forgotten first that are closest to being whole again. No
// policy makes another forget.
type Limiter struct {
	seed  [2]maphash.Seed
	now   func() time.Duration
	store LimitStore
	books limitBooks
}

// LimiterOptions are the options of a [Limiter].
type LimiterOptions struct {
	// MaxKeys is how many keys a policy counts at the same time; zero means
	// 131,072, some 8 MB with one window and 16 MB with eight. The policies of
	// one filter together have four times as many.
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
	return &Limiter{
		seed:  [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		now:   o.Now,
		store: o.Store,
		books: limitBooks{perShard: int64(max(leastKeys, o.MaxKeys/limiterShards))},
	}
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
	hash := keyHash{maphash.Bytes(l.seed[0], key), maphash.Bytes(l.seed[1], key)}
	s := &p.counts.shards[hash[0]%limiterShards]
	var next [filterv1.MaxLimitWindows]int64

	s.mu.Lock()
	defer s.mu.Unlock()
	// Within the lock, so that nobody takes with an older time than the last.
	now := int64(l.now())
	arrivals := s.find(hash, len(p.windows))
	for i := range p.windows {
		used := int64(0)
		if arrivals != nil {
			used = max(0, arrivals[i]-now)
		}
		states[i], next[i] = p.windows[i].state(used, cost)
	}
	status := verdictOf(states)
	if status != filterv1.StatusOK || cost == 0 {
		return status
	}
	if arrivals == nil {
		arrivals = s.add(hash, len(p.windows), p.counts.perShard.Load(), now)
	}
	for i := range p.windows {
		arrivals[i] = now + next[i]
		states[i].Remaining = p.windows[i].remaining(next[i])
		states[i].Reset = time.Duration(next[i])
	}
	return status
}

// Keys returns how many keys are counted.
func (l *Limiter) Keys() int { return l.books.keys() }
