package wasm

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"gatehouse.example/gateway/filter"
	"gatehouse.example/gateway/wasm/wasmtest"
)

// broken is a runtime whose compiler panics.
type broken struct{ wazero.Runtime }

func (broken) CompileModule(context.Context, []byte) (wazero.CompiledModule, error) {
	panic("index out of range")
}

// What the runtime does wrong costs the filter that it happens to, and no other.
func TestPanicsOfTheRuntime(t *testing.T) {
	h, err := New(t.Context(), Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	build := func(status int) (filter.Filter, error) {
		return h.Build(t.Context(), filter.Spec{Name: "f", Binary: wasmtest.Handler{Status: status}.Binary()})
	}
	good := h.runtime
	h.runtime = broken{good}
	for range 2 {
		if _, err := build(201); err == nil || !strings.Contains(err.Error(), "compile: index out of range") {
			t.Errorf("a compiler that panics: %v", err)
		}
	}
	h.runtime = good
	if n := Modules(h); n != 0 {
		t.Errorf("%d modules are left", n)
	}
	f, err := build(202)
	if err != nil {
		t.Fatal(err)
	}
	w := f.(*wasmFilter)
	about := w.module.about
	w.module.about = nil // which binding the module's exports does not survive
	if _, err := w.begin(); err == nil || !strings.Contains(err.Error(), "instantiate: ") {
		t.Errorf("a panic while an instance is made: %v", err)
	}
	w.module.about = about
	if err := f.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
