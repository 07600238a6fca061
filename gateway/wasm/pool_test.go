package wasm

import (
	"context"
	"log/slog"
	"testing"

	"gatehouse.example/gateway/filter"
	"gatehouse.example/gateway/wasm/wasmtest"
)

// Instances that a busy time has made go when it is quiet, without a request.
func TestIdleInstancesGo(t *testing.T) {
	h, err := New(t.Context(), Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	f, err := h.Build(t.Context(), filter.Spec{Name: "f", Binary: wasmtest.Handler{}.Binary(), Limits: filter.Limits{Instances: 8}})
	if err != nil {
		t.Fatal(err)
	}
	p := f.(*wasmFilter).pool
	var taken []*instance
	for range 6 {
		i, err := p.acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, i)
	}
	for _, i := range taken {
		p.release(i)
	}
	h.metrics.trim() // of the busy time
	if n := Instances(h); n != 6 {
		t.Errorf("%d instances after a busy time", n)
	}
	h.metrics.trim()
	if n := Instances(h); n != keepIdle {
		t.Errorf("%d instances after a quiet time", n)
	}
	for n, i := range p.idle[:cap(p.idle)] {
		if (i != nil) != (n < keepIdle) {
			t.Errorf("place %d: %v", n, i)
		}
	}
	if err := f.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := h.Close(context.Background()); err != nil {
		t.Error(err)
	}
}
