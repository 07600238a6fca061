package pluginhost

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	restarts *prometheus.CounterVec
	up       *prometheus.GaugeVec
}

func newMetrics(registry prometheus.Registerer) (metrics, error) {
	m := metrics{
		restarts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_plugin_restarts_total",
			Help: "Starts of a plugin's process after the first.",
		}, []string{"plugin"}),
		up: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gatehouse_plugin_up",
			Help: "Whether the plugin's process is running and configured.",
		}, []string{"plugin"}),
	}
	if registry == nil {
		return m, nil
	}
	var registered prometheus.AlreadyRegisteredError
	if err := registry.Register(m.restarts); errors.As(err, &registered) {
		m.restarts = registered.ExistingCollector.(*prometheus.CounterVec)
	} else if err != nil {
		return metrics{}, err
	}
	if err := registry.Register(m.up); errors.As(err, &registered) {
		m.up = registered.ExistingCollector.(*prometheus.GaugeVec)
	} else if err != nil {
		return metrics{}, err
	}
	return m, nil
}
