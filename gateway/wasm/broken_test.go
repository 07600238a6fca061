package wasm_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/iotest"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/wasm"
)

// An upstream that breaks off while a guest reads its body makes no trap of
// the filter's.
func TestUpstreamBreaksOff(t *testing.T) {
	registry := prometheus.NewRegistry()
	f := newBench(t, func(o *wasm.Options) { o.Registry = registry }).build(t, "plain", "", "body")
	ex := newExchange("GET", "/", "X-Mode", "change")
	result := run(t, f, ex)
	ex.Response.Body.Stream = io.NopCloser(iotest.ErrReader(fmt.Errorf("%w: reset", exchange.ErrResponseBroken)))
	ex.Response.Body.Length = -1
	if _, err := result.Response.HandleResponse(context.Background(), ex, false); !errors.Is(err, exchange.ErrResponseBroken) {
		t.Errorf("%v", err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == "gatehouse_filter_traps_total" && m.GetCounter().GetValue() > 0 {
				t.Errorf("counted: %v", m)
			}
		}
	}
}
