package capability

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// storeMetrics are the metrics of the shared store of limits.
type storeMetrics struct {
	errors, skipped prometheus.Counter
	duration        prometheus.Histogram
	up              prometheus.Gauge
}

func newStoreMetrics(registry prometheus.Registerer) (*storeMetrics, error) {
	m := &storeMetrics{
		errors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gatehouse_limit_store_errors_total", Help: "Requests to the shared store of limits that failed.",
		}),
		skipped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gatehouse_limit_store_skipped_total", Help: "Requests that were not sent to the shared store of limits because it is not reachable.",
		}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "gatehouse_limit_store_duration_seconds", Help: "Time of a request to the shared store of limits that succeeded.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1},
		}),
		up: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gatehouse_limit_store_up", Help: "Whether the shared store of limits is reachable: 1 or 0.",
		}),
	}
	if registry == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.errors, m.skipped, m.duration, m.up} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of the store of limits: %w", err)
		}
	}
	return m, nil
}
