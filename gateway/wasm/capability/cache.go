package capability

import "sync"

const cacheShards = 16

// cache is a bounded map from digests to values that end. It is safe for
// concurrent use, and reading allocates nothing.
type cache[V any] struct {
	shards   [cacheShards]cacheShard[V]
	perShard int
}

type cacheShard[V any] struct {
	mu      sync.RWMutex
	entries map[[32]byte]cacheEntry[V]
}

type cacheEntry[V any] struct {
	value V
	ends  int64 // Unix nanoseconds
}

func newCache[V any](size int) *cache[V] {
	c := &cache[V]{perShard: max(1, size/cacheShards)}
	for i := range c.shards {
		c.shards[i].entries = make(map[[32]byte]cacheEntry[V])
	}
	return c
}

// get returns the value of key unless it has ended at now.
func (c *cache[V]) get(key *[32]byte, now int64) (V, bool) {
	s := &c.shards[key[0]%cacheShards]
	s.mu.RLock()
	e, ok := s.entries[*key]
	s.mu.RUnlock()
	if !ok || e.ends <= now {
		var none V
		return none, false
	}
	return e.value, true
}

// put keeps value until ends. A full shard gives up an ended entry, or any.
func (c *cache[V]) put(key [32]byte, value V, now, ends int64) {
	if ends <= now {
		return
	}
	s := &c.shards[key[0]%cacheShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.entries[key]; !known && len(s.entries) >= c.perShard {
		s.evict(now)
	}
	s.entries[key] = cacheEntry[V]{value, ends}
}

// forget removes the entries that match.
func (c *cache[V]) forget(match func(V) bool) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for k, e := range s.entries {
			if match(e.value) {
				delete(s.entries, k)
			}
		}
		s.mu.Unlock()
	}
}

// evict looks at a few entries, which Go's maps return in random order: the
// first that has ended goes, else the one that ends first.
func (s *cacheShard[V]) evict(now int64) {
	var victim [32]byte
	seen, ends := 0, int64(0)
	for k, e := range s.entries {
		if seen == 0 || e.ends < ends {
			victim, ends = k, e.ends
		}
		if seen++; seen == 8 || ends <= now {
			break
		}
	}
	delete(s.entries, victim)
}
