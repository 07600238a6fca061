package capability

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
)

// gather returns a counter's values by its labels' values.
func gather(t *testing.T, registry *prometheus.Registry, name string) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			values[strings.Join(labels, " ")] = m.GetCounter().GetValue()
		}
	}
	return values
}

func TestCounters(t *testing.T) {
	registry := prometheus.NewRegistry()
	sets := NewCounterSets(registry)
	c := sets.Of("f")
	for range 2 {
		if r := c.Add([]byte("seen_total"), 1.5); r != nil {
			t.Fatal(r)
		}
	}
	c.Add([]byte("made"), 0)
	sets.Of("g").Add([]byte("seen_total"), 1)
	if sets.Of("f") != c {
		t.Error("a filter that is built anew counts anew")
	}
	want := map[string]float64{"f made": 0, "f seen_total": 3, "g seen_total": 1}
	if diff := cmp.Diff(want, gather(t, registry, "gatehouse_filter_custom_total")); diff != "" {
		t.Error(diff)
	}
	if n := testing.AllocsPerRun(100, func() { c.Add([]byte("seen_total"), 1) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestCountersAreBounded(t *testing.T) {
	c := NewCounterSets(nil).Of("f")
	for _, name := range []string{"", "A", "a-b", "ä", "a b", strings.Repeat("a", 65)} {
		if s := refusedWith(c.Add([]byte(name), 1)); s != filterv1.StatusBadArgument {
			t.Errorf("name %q: %s", name, s)
		}
	}
	for _, delta := range []float64{-1, math.NaN(), math.Inf(1), math.Inf(-1)} {
		if s := refusedWith(c.Add([]byte("a"), delta)); s != filterv1.StatusBadArgument {
			t.Errorf("delta %v: %s", delta, s)
		}
	}
	for i := range filterv1.MaxMetrics {
		if r := c.Add(fmt.Appendf(nil, "n_%d", i), 1); r != nil {
			t.Fatal(r)
		}
	}
	if s := refusedWith(c.Add([]byte("one_more"), 1)); s != filterv1.StatusTooLarge {
		t.Errorf("counter 65: %s", s)
	}
	if s := refusedWith(c.Add([]byte("n_0"), 1)); s != filterv1.StatusOK {
		t.Errorf("a known counter: %s", s)
	}
}
