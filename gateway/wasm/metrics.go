package wasm

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// callCounts are counted by each instance for itself and collected where the
// pool is locked anyway: atomic counters would cost a call more than the call.
type callCounts struct {
	requests, responses, fuel, crossings uint64
}

func (c *callCounts) add(d *callCounts) {
	c.requests += d.requests
	c.responses += d.responses
	c.fuel += d.fuel
	c.crossings += d.crossings
}

// metrics are what operators see of a host's filters. It is a collector: most
// is asked of the pools when somebody looks.
type metrics struct {
	traps, refused, restored, replaced *prometheus.CounterVec
	duration                           *prometheus.HistogramVec

	calls, fuel, crossings, queued        *prometheus.Desc
	instances, memory, waiting, queueSize *prometheus.Desc

	mu sync.Mutex
	// live are the pools of each filter's name, past what those have counted
	// that are gone.
	live map[string][]*pool
	past map[string]poolCounts
}

var _ prometheus.Collector = (*metrics)(nil)

func newMetrics(registry prometheus.Registerer) *metrics {
	const prefix = "gatehouse_filter_"
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, labels)
	}
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prefix+name, help, append([]string{"filter"}, labels...), nil)
	}
	m := &metrics{
		traps:    counter("traps_total", "Calls that ended in a trap, by what stopped them.", "filter", "reason"),
		refused:  counter("refused_total", "Uses of capabilities that are not granted.", "filter", "capability"),
		restored: counter("restored_total", "Instances that were put back to their first state after a trap.", "filter"),
		replaced: counter("replaced_total", "Instances that were made anew after a trap.", "filter"),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: prefix + "duration_seconds", Help: "Time in a filter for one phase of a request. One call in 64 is timed.",
			Buckets: prometheus.ExponentialBuckets(1e-6, 4, 12),
		}, []string{"filter"}),
		calls:     desc("calls_total", "Calls of a filter's phases.", "phase"),
		fuel:      desc("fuel_units_total", "Fuel that a filter has burnt: one unit is one operator of WebAssembly."),
		crossings: desc("crossings_total", "Calls that a filter has made of the host."),
		queued:    desc("queue_refused_total", "Requests that found no instance, because too many waited (full) or it took too long (late).", "reason"),
		instances: desc("instances", "Instances of a filter."),
		memory:    desc("memory_bytes", "Linear memory of a filter's instances."),
		waiting:   desc("queue_waiting", "Requests that wait for an instance."),
		queueSize: desc("queue_limit", "Requests that may wait for an instance."),
		live:      make(map[string][]*pool),
		past:      make(map[string]poolCounts),
	}
	if registry != nil {
		registry.MustRegister(m, m.traps, m.refused, m.restored, m.replaced, m.duration)
	}
	return m
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.calls, m.fuel, m.crossings, m.queued, m.instances, m.memory, m.waiting, m.queueSize} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(to chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, total := range m.past {
		var instances, waiting, room int
		for _, p := range m.live[name] {
			c, n, w := p.snapshot()
			total.plus(&c)
			instances, waiting, room = instances+n, waiting+w, room+p.queue
		}
		send := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
			to <- prometheus.MustNewConstMetric(d, kind, value, append([]string{name}, labels...)...)
		}
		send(m.calls, prometheus.CounterValue, float64(total.requests), "request")
		send(m.calls, prometheus.CounterValue, float64(total.responses), "response")
		send(m.fuel, prometheus.CounterValue, float64(total.fuel))
		send(m.crossings, prometheus.CounterValue, float64(total.crossings))
		send(m.queued, prometheus.CounterValue, float64(total.full), "full")
		send(m.queued, prometheus.CounterValue, float64(total.late), "late")
		if len(m.live[name]) == 0 {
			continue
		}
		send(m.instances, prometheus.GaugeValue, float64(instances))
		send(m.memory, prometheus.GaugeValue, float64(total.memory))
		send(m.waiting, prometheus.GaugeValue, float64(waiting))
		send(m.queueSize, prometheus.GaugeValue, float64(room))
	}
}

func (c *poolCounts) plus(d *poolCounts) {
	c.add(&d.callCounts)
	c.full += d.full
	c.late += d.late
	c.memory += d.memory
}

// enter adds a filter's pool.
func (m *metrics) enter(name string, p *pool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.live[name] = append(m.live[name], p)
	if _, known := m.past[name]; !known {
		m.past[name] = poolCounts{} // counts that are zero are counts, too
	}
}

// trim closes what instances nobody needs.
func (m *metrics) trim() {
	m.mu.Lock()
	var pools []*pool
	for _, live := range m.live {
		pools = append(pools, live...)
	}
	m.mu.Unlock()
	for _, p := range pools {
		p.trim()
	}
}

// leave removes a pool that is drained; what it has counted stays.
func (m *metrics) leave(name string, p *pool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, _, _ := p.snapshot()
	c.memory = 0
	total := m.past[name]
	total.plus(&c)
	m.past[name] = total
	rest := m.live[name][:0]
	for _, other := range m.live[name] {
		if other != p {
			rest = append(rest, other)
		}
	}
	if m.live[name] = rest; len(rest) == 0 {
		delete(m.live, name)
	}
}

// filterMetrics are those of one filter, looked up once.
type filterMetrics struct {
	restored, replaced prometheus.Counter
	duration           prometheus.Observer
}

func (m *metrics) of(name string) filterMetrics {
	return filterMetrics{
		restored: m.restored.WithLabelValues(name),
		replaced: m.replaced.WithLabelValues(name),
		duration: m.duration.WithLabelValues(name),
	}
}
