package wasm

import "github.com/prometheus/client_golang/prometheus"

// metrics are the counters of a host; those of a filter are looked up once.
type metrics struct {
	calls, traps, queueTimeouts, refused *prometheus.CounterVec
	instances                            *prometheus.GaugeVec
}

func newMetrics(registry prometheus.Registerer) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "gatehouse_filter_" + name, Help: help}, labels)
	}
	m := &metrics{
		calls:         counter("calls_total", "Calls of a filter's phases.", "filter", "phase"),
		traps:         counter("traps_total", "Calls that ended in a trap.", "filter"),
		queueTimeouts: counter("queue_timeouts_total", "Requests that found no free instance in time.", "filter"),
		refused:       counter("refused_total", "Uses of capabilities that are not granted.", "filter", "capability"),
		instances: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gatehouse_filter_instances", Help: "Instances of a filter.",
		}, []string{"filter"}),
	}
	if registry != nil {
		registry.MustRegister(m.calls, m.traps, m.queueTimeouts, m.refused, m.instances)
	}
	return m
}

type filterMetrics struct {
	requests, responses, traps, queueTimeouts prometheus.Counter
	instances                                 prometheus.Gauge
}

func (m *metrics) of(name string) filterMetrics {
	return filterMetrics{
		requests:      m.calls.WithLabelValues(name, "request"),
		responses:     m.calls.WithLabelValues(name, "response"),
		traps:         m.traps.WithLabelValues(name),
		queueTimeouts: m.queueTimeouts.WithLabelValues(name),
		instances:     m.instances.WithLabelValues(name),
	}
}
