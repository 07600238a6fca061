package wasm

import (
	"bytes"
	"context"
	"runtime"
	"slices"
	"time"

	"gatehouse.example/gateway/filter"
)

// State is the state of an idle instance of f, and that of f's snapshot, with
// the limits of nothing: all bytes, all globals.
func State(f filter.Filter) (memory []byte, globals []uint64) {
	p := f.(*wasmFilter).pool
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.idle[len(p.idle)-1]
	view, _ := i.memory.Read(0, i.memory.Size())
	for _, g := range i.globals {
		globals = append(globals, g.Get())
	}
	return bytes.Clone(view), globals
}

// Restorable reports whether instances of f are put back to their first state.
func Restorable(f filter.Filter) bool { return f.(*wasmFilter).snapshot != nil }

// Modules is how many compiled modules the host keeps.
func Modules(h *Host) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.modules)
}

// Instances is how many instances filters have, by the host's own count.
func Instances(h *Host) (n int) {
	h.metrics.mu.Lock()
	defer h.metrics.mu.Unlock()
	for _, pools := range h.metrics.live {
		for _, p := range pools {
			_, instances, _ := p.snapshot()
			n += instances
		}
	}
	return n
}

// Waiting is how many requests wait for an instance of f.
func Waiting(f filter.Filter) int {
	_, _, n := f.(*wasmFilter).pool.snapshot()
	return n
}

// Mended waits for all instances that are being put back or replaced.
func Mended(h *Host) { h.background.Wait() }

// Instantiate makes an instance of f that is ready for requests, and ends it.
func Instantiate(f filter.Filter) error {
	i, err := f.(*wasmFilter).begin()
	if err == nil {
		i.close()
	}
	return err
}

// ShareAll takes all processors for guests that run on, until the function that
// it returns gives them back.
func ShareAll(h *Host) (release func(), ok bool) {
	n := 0
	release = func() {
		for range n {
			h.shares.Release()
		}
	}
	for range max(1, runtime.GOMAXPROCS(0)/2) {
		if !h.shares.Acquire(5 * time.Second) {
			release()
			return nil, false
		}
		n++
	}
	return release, true
}

// Restore puts an instance of f back to its first state, as after a request
// that wrote to every page that holds anything.
func Restore(f filter.Filter) bool {
	w := f.(*wasmFilter)
	i, err := w.pool.acquire(context.Background())
	if err != nil {
		return false
	}
	defer w.pool.release(i)
	return w.snapshot.restore(i)
}

// CheckConfig is checkConfig.
func CheckConfig(config, schema string) []string {
	err := checkConfig([]byte(config), []byte(schema))
	if err == nil {
		return nil
	}
	return slices.Sorted(slices.Values(bytesLines(err.Error())))
}

func bytesLines(text string) (lines []string) {
	for line := range bytes.Lines([]byte(text)) {
		lines = append(lines, string(bytes.TrimSpace(line)))
	}
	return lines
}
