package filter

import (
	filterv1 "gatehouse.example/pluginspec/filter/v1"
	"gatehouse.example/sdk/filter/internal/host"
)

// Counter counts what operators should see: it is
// gatehouse_filter_custom_total{filter, name} among the gateway's metrics.
type Counter struct {
	host host.Caller
	name string
}

// Counter makes a counter. A name is 1 to 64 of a-z, 0-9 and underscore, and a
// filter has at most 64: never make one from what a request holds. Name the
// grant with Needs("metrics").
//
// # Errors
//
// A malformed name, a counter too many, and "metrics" is not granted.
func (s *Setup) Counter(name string) (*Counter, error) {
	// Adding nothing makes it, so that it is there before something happens.
	if s.host.MetricAdd(name, 0) != filterv1.StatusOK {
		return nil, s.refused("counter " + name)
	}
	return &Counter{s.host, name}, nil
}

// Add adds delta, which is finite and not negative; anything else panics.
func (c *Counter) Add(delta float64) {
	if status := c.host.MetricAdd(c.name, delta); status != filterv1.StatusOK {
		panic("filter: counter " + c.name + ": " + status.String())
	}
}
