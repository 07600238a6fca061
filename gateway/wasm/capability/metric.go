package capability

import (
	"errors"
	"math"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
)

// CounterSets keeps the counters that filters have made, by the filter's name.
// It is safe for concurrent use.
type CounterSets struct {
	vec *prometheus.CounterVec

	mu   sync.Mutex
	sets map[string]*Counters
}

// NewCounterSets returns an empty collection; registry may be nil.
func NewCounterSets(registry prometheus.Registerer) *CounterSets {
	s := &CounterSets{
		vec: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_filter_custom_total", Help: "What filters count by themselves.",
		}, []string{"filter", "name"}),
		sets: make(map[string]*Counters),
	}
	if registry != nil {
		registry.MustRegister(s.vec)
	}
	return s
}

// Of returns the counters of a filter.
func (s *CounterSets) Of(filter string) *Counters {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.sets[filter]
	if c == nil {
		c = &Counters{filter: filter, vec: s.vec, byName: make(map[string]prometheus.Counter)}
		s.sets[filter] = c
	}
	return c
}

// Counters are the counters of one filter. They are safe for concurrent use.
type Counters struct {
	filter string
	vec    *prometheus.CounterVec

	mu     sync.RWMutex
	byName map[string]prometheus.Counter
}

// Add adds delta to a counter, which is made where it is not there.
//
// # Errors
//
// A [*Refusal]: a malformed name, a delta that is negative or not finite, a
// name too many.
func (c *Counters) Add(name []byte, delta float64) *Refusal {
	if !(delta >= 0) || math.IsInf(delta, 1) {
		return &Refusal{filterv1.StatusBadArgument, errors.New("a counter grows by what is finite and not negative")}
	}
	c.mu.RLock()
	counter := c.byName[string(name)]
	c.mu.RUnlock()
	if counter == nil {
		var refusal *Refusal
		if counter, refusal = c.make(string(name)); refusal != nil {
			return refusal
		}
	}
	counter.Add(delta)
	return nil
}

func (c *Counters) make(name string) (prometheus.Counter, *Refusal) {
	if !counterName(name) {
		return nil, &Refusal{filterv1.StatusBadArgument, errors.New("a counter's name is 1 to 64 of a-z, 0-9 and underscore")}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if counter := c.byName[name]; counter != nil {
		return counter, nil
	}
	if len(c.byName) >= filterv1.MaxMetrics {
		return nil, &Refusal{filterv1.StatusTooLarge, errors.New("a filter has at most 64 counters")}
	}
	counter := c.vec.WithLabelValues(c.filter, name)
	c.byName[name] = counter
	return counter, nil
}

func counterName(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= filterv1.MaxMetricNameBytes
}
