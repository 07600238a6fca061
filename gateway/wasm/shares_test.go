package wasm_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"gatehouse.example/gateway/filter"
	"gatehouse.example/gateway/wasm"
	"gatehouse.example/gateway/wasm/guest"
)

// wantFree checks that nobody holds a processor for guests that run on.
func wantFree(t *testing.T, h *wasm.Host) {
	t.Helper()
	release, ok := wasm.ShareAll(h)
	if !ok {
		t.Fatal("a processor is still held")
	}
	release()
}

// A long guest that waits for a slow body keeps nobody from running: others of
// its kind, filters that start, and instances that are made.
func TestSlowBodyHoldsNoProcessor(t *testing.T) {
	b := newBench(t)
	slow := b.build(t, "mean", "", "body.request")
	var bodies []*io.PipeWriter
	done := make(chan error, 4)
	for range 4 {
		r, w := io.Pipe()
		bodies = append(bodies, w)
		ex := newExchange("POST", "/slow-body")
		ex.Request.Body.Stream, ex.Request.Body.Length = r, -1
		go func() {
			result, err := slow.HandleRequest(context.Background(), ex)
			if result.Response != nil {
				result.Response.Release()
			}
			_ = r.CloseWithError(err)
			done <- err
		}()
		// The guest reads when it has run for a while.
		if _, err := w.Write([]byte("a")); err != nil {
			t.Fatal(err)
		}
	}
	wantFree(t, b.host)
	other := b.build(t, "noop", "")
	if err := wasm.Instantiate(other); err != nil {
		t.Error(err)
	}
	for _, w := range bodies {
		_ = w.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	wantFree(t, b.host)
}

// While long guests have all processors, instances are made in a bounded time
// or not at all.
func TestStartingWaitsBounded(t *testing.T) {
	b := newBench(t, func(o *wasm.Options) { o.Limits.QueueTimeout = 30 * time.Millisecond })
	f := b.build(t, "mean", "")
	release, ok := wasm.ShareAll(b.host)
	if !ok {
		t.Fatal("a processor is held")
	}
	if err := wasm.Instantiate(f); !errors.Is(err, guest.ErrBusy) || strings.Contains(err.Error(), "\n") {
		t.Errorf("made under full load: %v", err)
	}
	// What has trapped is mended, or given up.
	trapIn(t, f, "/panic")
	wasm.Mended(b.host)
	release()
	if err := wasm.Instantiate(f); err != nil {
		t.Error(err)
	}
	run(t, f, newExchange("GET", "/burn")).Response.Release()
	wantFree(t, b.host)
}

func TestProcessorsAreFreeAfterFailures(t *testing.T) {
	b := newBench(t)
	f, err := b.host.Build(context.Background(), spec("mean", ""))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/spin", "/map", "/hoard", "/recurse"} {
		trapIn(t, f, path)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if _, err := f.HandleRequest(ctx, newExchange("GET", "/spin")); err == nil {
		t.Error("no trap")
	}
	wasm.Mended(b.host)
	wantFree(t, b.host)
	if err := f.Close(context.Background()); err != nil {
		t.Error(err)
	}
	long := raw{pages: 1, functions: []rawFunction{{"_initialize", 2, codeLoop}}}
	if _, err := b.buildRaw(t, filter.Spec{Limits: filter.Limits{StartFuel: 3_000_000}}, long); err == nil {
		t.Error("built what does not start")
	}
	wantFree(t, b.host)
}
