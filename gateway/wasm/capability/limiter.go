package capability

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"math"
	"sync"
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
)

const (
	limiterShards    = 32
	defaultKeys      = 1 << 17
	maxBurst         = 1_000_000_000
	maxPeriod        = 366 * 24 * time.Hour
	maxTolerance     = math.MaxInt64 / 4
	evictionSampling = 8
)

// Limiter counts requests by the generic cell rate algorithm: per key it keeps
// one time, the theoretical arrival time of the next request. It is safe for
// concurrent use, each Take is atomic, and its memory is bounded: when there
// are too many keys, those closest to being whole again are forgotten first.
type Limiter struct {
	shards   [limiterShards]limiterShard
	perShard int
	seed     [2]maphash.Seed
	now      func() time.Duration
}

type limiterShard struct {
	mu sync.Mutex
	// arrival is the theoretical arrival time in nanoseconds, by two
	// independent hashes of policy and key: keys may be as long as they like,
	// and nobody can make two of them collide.
	arrival map[[2]uint64]int64
}

// LimiterOptions are the options of a [Limiter].
type LimiterOptions struct {
	// MaxKeys is how many keys are counted at the same time; zero means
	// 131,072, about 6 MB.
	MaxKeys int
	// Now is the time since some moment; nil means a monotonic clock.
	Now func() time.Duration
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
		perShard: max(1, o.MaxKeys/limiterShards),
		seed:     [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		now:      o.Now,
	}
	for i := range l.shards {
		l.shards[i].arrival = make(map[[2]uint64]int64)
	}
	return l
}

// LimitPolicy is a rate limit of one filter: windows that all apply.
type LimitPolicy struct{ windows []limitWindow }

// Windows returns the number of windows.
func (p *LimitPolicy) Windows() int { return len(p.windows) }

// Policy reads what a filter hands to limit_policy. Equal windows of filters of
// the same name share their counts, so that a reload forgets nothing.
//
// # Errors
//
// Malformed JSON, no window, values beyond what can be counted.
func (l *Limiter) Policy(filter string, text []byte) (*LimitPolicy, error) {
	var in struct {
		Windows []struct {
			Rate  int64 `json:"rate"`
			PerNS int64 `json:"per_ns"`
			Burst int64 `json:"burst"`
		} `json:"windows"`
	}
	if err := json.Unmarshal(text, &in); err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	p := &LimitPolicy{}
	for _, w := range in.Windows {
		window, err := l.window(filter, w.Rate, time.Duration(w.PerNS), w.Burst)
		if err != nil {
			return nil, err
		}
		p.windows = append(p.windows, window)
	}
	return p, nil
}

// Take takes cost from every window of p for key, or from none, and writes
// their states.
func (l *Limiter) Take(_ context.Context, p *LimitPolicy, key []byte, cost uint32, states []Limit) filterv1.Status {
	status := filterv1.StatusOK
	for i := range p.windows {
		if states[i] = l.take(p.windows[i], key, cost); !states[i].Allowed {
			status = filterv1.StatusLimited
		}
	}
	return status
}

type limitWindow struct {
	interval  int64 // nanoseconds between requests at the rate
	tolerance int64 // nanoseconds that a full burst is worth
	burst     uint32
	id        [2]uint64
}

func (l *Limiter) window(filter string, rate int64, period time.Duration, burst int64) (limitWindow, error) {
	switch {
	case rate < 1:
		return limitWindow{}, fmt.Errorf("rate %d: want at least 1", rate)
	case period <= 0 || period > maxPeriod:
		return limitWindow{}, fmt.Errorf("period %s: want more than 0s, at most %s", period, maxPeriod)
	case burst < 1 || burst > maxBurst:
		return limitWindow{}, fmt.Errorf("burst %d: want 1 to %d", burst, maxBurst)
	case rate > int64(period):
		return limitWindow{}, fmt.Errorf("rate %d per %s is faster than one per nanosecond", rate, period)
	}
	p := limitWindow{interval: int64(period) / rate, burst: uint32(burst)}
	if p.interval > maxTolerance/burst {
		return limitWindow{}, fmt.Errorf("burst %d at one per %s would take centuries to refill", burst, time.Duration(p.interval))
	}
	p.tolerance = p.interval * burst
	name := fmt.Sprintf("%s\x00%d/%d/%d", filter, rate, period, burst)
	p.id = [2]uint64{maphash.String(l.seed[0], name), maphash.String(l.seed[1], name)}
	return p, nil
}

// Limit is the state of one window after [Limiter.Take].
type Limit struct {
	// Allowed is false where nothing was taken.
	Allowed bool
	// Remaining is how many more are allowed now.
	Remaining uint32
	// Reset is the time until the whole burst is allowed again.
	Reset time.Duration
	// Retry is the time until the same Take would be allowed.
	Retry time.Duration
}

// take takes cost from what key may do in one window; cost 0 only looks.
func (l *Limiter) take(p limitWindow, key []byte, cost uint32) Limit {
	k := [2]uint64{maphash.Bytes(l.seed[0], key) ^ p.id[0], maphash.Bytes(l.seed[1], key) ^ p.id[1]}
	s := &l.shards[k[0]%limiterShards]
	now := int64(l.now())

	s.mu.Lock()
	defer s.mu.Unlock()
	arrival, known := s.arrival[k]
	arrival = max(arrival, now)
	if cost > p.burst {
		return Limit{Remaining: p.remaining(arrival - now), Reset: time.Duration(arrival - now), Retry: time.Duration(p.tolerance)}
	}
	next := arrival + p.interval*int64(cost)
	if over := next - now - p.tolerance; over > 0 {
		return Limit{Remaining: p.remaining(arrival - now), Reset: time.Duration(arrival - now), Retry: time.Duration(over)}
	}
	if cost > 0 {
		if !known && len(s.arrival) >= l.perShard {
			s.evict(now)
		}
		s.arrival[k] = next
	}
	return Limit{Allowed: true, Remaining: p.remaining(next - now), Reset: time.Duration(next - now)}
}

func (p *limitWindow) remaining(used int64) uint32 {
	if p.interval == 0 || used >= p.tolerance {
		return 0
	}
	return uint32((p.tolerance - used) / p.interval)
}

// evict looks at a few keys, which Go's maps return in random order, and
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

// Keys returns how many keys are counted.
func (l *Limiter) Keys() int {
	n := 0
	for i := range l.shards {
		l.shards[i].mu.Lock()
		n += len(l.shards[i].arrival)
		l.shards[i].mu.Unlock()
	}
	return n
}
