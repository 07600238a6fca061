package capability

import (
	"runtime"
	"sync"
	"weak"
)

// shared holds values that several policies use: one for each key, for as long
// as somebody holds it. Instances and reloads need not say when they are done.
// It is safe for concurrent use.
type shared[V any] struct {
	mu     sync.Mutex
	values map[string]weak.Pointer[V]
}

// get returns the value of key, which build makes where there is none. build
// must not wait.
func (s *shared[V]) get(key string, build func() *V) *V {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.values[key].Value(); v != nil {
		return v
	}
	v := build()
	if s.values == nil {
		s.values = make(map[string]weak.Pointer[V])
	}
	s.values[key] = weak.Make(v)
	runtime.AddCleanup(v, s.drop, key)
	return v
}

// drop forgets key unless it has a new value by now.
func (s *shared[V]) drop(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values[key].Value() == nil {
		delete(s.values, key)
	}
}

// all returns the values that are in use.
func (s *shared[V]) all() []*V {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*V
	for _, p := range s.values {
		if v := p.Value(); v != nil {
			list = append(list, v)
		}
	}
	return list
}
