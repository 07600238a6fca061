package capability

import (
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"weak"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
)

const (
	limiterShards    = 32
	defaultKeys      = 1 << 17
	evictionSampling = 8
	// fullPolicies is for how many policies of one filter there is a whole
	// budget of keys; more of them share that.
	fullPolicies = 4
	// leastKeys is what a policy may count in each shard at least.
	leastKeys = 2
	// evictAtOnce bounds how long one Take makes room.
	evictAtOnce = 2
)

// keyHash stands for a key: two independent hashes with seeds of this process,
// so keys may be as long as they like, and nobody can make two of them collide.
type keyHash [2]uint64

// limitCounts are the counts of one policy. Each policy has its own, and what
// makes room are its own keys: however many keys one filter counts, or a client
// makes up, others' limits keep what they have counted.
type limitCounts struct {
	// perShard is how many keys each shard may hold.
	perShard atomic.Int64
	shards   [limiterShards]limitShard
}

// limitShard holds some of the keys.
type limitShard struct {
	mu sync.Mutex
	// slots says where the windows of a key are in arrivals, free are the slots
	// that nobody has.
	slots map[keyHash]uint32
	free  []uint32
	// arrivals are the theoretical arrival times in nanoseconds, those of all
	// windows of a slot together.
	arrivals []int64
	// No two shards have a cache line in common.
	_ [64]byte
}

// find returns the arrival times of a key, nil where it is not counted.
func (s *limitShard) find(key keyHash, windows int) []int64 {
	slot, ok := s.slots[key]
	if !ok {
		return nil
	}
	return s.arrivals[int(slot)*windows:][:windows]
}

// add returns the place for the arrival times of a key that is not counted yet.
func (s *limitShard) add(key keyHash, windows int, most int64, now int64) []int64 {
	for range evictAtOnce {
		if int64(len(s.slots)) >= most {
			s.evict(windows, now)
		}
	}
	var slot uint32
	if n := len(s.free); n > 0 {
		slot, s.free = s.free[n-1], s.free[:n-1]
	} else {
		slot = uint32(len(s.arrivals) / windows)
		var none [filterv1.MaxLimitWindows]int64
		s.arrivals = append(s.arrivals, none[:windows]...)
	}
	if s.slots == nil {
		s.slots = make(map[keyHash]uint32)
	}
	s.slots[key] = slot
	return s.arrivals[int(slot)*windows:][:windows]
}

// evict looks at a few keys, which Go's maps return in random order, and
// forgets those that are whole in all windows; where there is none, the one
// that is so first.
func (s *limitShard) evict(windows int, now int64) {
	var victim keyHash
	seen, earliest, whole := 0, int64(math.MaxInt64), false
	for key, slot := range s.slots {
		ends := int64(math.MinInt64)
		for _, arrival := range s.arrivals[int(slot)*windows:][:windows] {
			ends = max(ends, arrival)
		}
		if ends <= now {
			s.forget(key, slot)
			whole = true
		}
		if ends < earliest {
			victim, earliest = key, ends
		}
		if seen++; seen == evictionSampling {
			break
		}
	}
	if !whole && seen > 0 {
		s.forget(victim, s.slots[victim])
	}
}

func (s *limitShard) forget(key keyHash, slot uint32) {
	delete(s.slots, key)
	s.free = append(s.free, slot)
}

func (c *limitCounts) keys() int {
	n := 0
	for i := range c.shards {
		c.shards[i].mu.Lock()
		n += len(c.shards[i].slots)
		c.shards[i].mu.Unlock()
	}
	return n
}

// limitBooks finds the counts of policies. It holds them weakly: equal policies
// share counts for as long as one of them is in use, over reloads, too, and
// then they go.
type limitBooks struct {
	mu sync.Mutex
	// perShard is the whole budget of a policy.
	perShard int64
	filters  map[string]map[string]weak.Pointer[limitCounts]
}

// of returns the counts of a filter's policy.
func (b *limitBooks) of(filter, policy string) *limitCounts {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.filters[filter][policy].Value(); c != nil {
		return c
	}
	c := &limitCounts{}
	if b.filters == nil {
		b.filters = make(map[string]map[string]weak.Pointer[limitCounts])
	}
	if b.filters[filter] == nil {
		b.filters[filter] = make(map[string]weak.Pointer[limitCounts])
	}
	b.filters[filter][policy] = weak.Make(c)
	b.share(filter)
	runtime.AddCleanup(c, func(policy string) { b.drop(filter, policy) }, policy)
	return c
}

// drop forgets a policy whose counts are gone, unless it has new ones.
func (b *limitBooks) drop(filter, policy string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	policies := b.filters[filter]
	if counts, ok := policies[policy]; !ok || counts.Value() != nil {
		return
	}
	delete(policies, policy)
	if len(policies) == 0 {
		delete(b.filters, filter)
	}
	b.share(filter)
}

// share divides what a filter may count among its policies, so that one that
// makes many takes no more memory for it.
func (b *limitBooks) share(filter string) {
	policies := b.filters[filter]
	each := b.perShard * fullPolicies / int64(max(fullPolicies, len(policies)))
	for _, counts := range policies {
		if c := counts.Value(); c != nil {
			c.perShard.Store(max(leastKeys, each))
		}
	}
}

func (b *limitBooks) keys() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, policies := range b.filters {
		for _, counts := range policies {
			if c := counts.Value(); c != nil {
				n += c.keys()
			}
		}
	}
	return n
}
