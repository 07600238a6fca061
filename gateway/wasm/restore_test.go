package wasm_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse.example/gateway/filter"
	"gatehouse.example/gateway/wasm"
)

// After a trap an instance has the very bytes and globals that it had before
// its first request.
func TestRestoredStateIsTheFirst(t *testing.T) {
	b := newBench(t, func(o *wasm.Options) { o.Limits.Instances = 1 })
	f := b.build(t, "ratelimit", `{"limits":[{"rate":1,"per":"1s"}]}`)
	if !wasm.Restorable(f) {
		t.Fatal("a guest of the SDK is not restorable")
	}
	memory, globals := wasm.State(f)
	if len(globals) == 0 || len(memory) < 1<<20 {
		t.Fatalf("%d bytes, %d globals", len(memory), len(globals))
	}
	for range 100 {
		run(t, f, newExchange("GET", "/"))
	}
	dirty, _ := wasm.State(f)
	if bytes.Equal(dirty, memory) {
		t.Fatal("requests leave no trace, so there is nothing to test")
	}
	if !wasm.Restore(f) {
		t.Fatal("not restored")
	}
	again, same := wasm.State(f)
	if !bytes.Equal(again, memory) || !slices.Equal(same, globals) {
		t.Error("the state differs from the first")
	}
	run(t, f, newExchange("GET", "/"))
}

// counter is a handler that stores a byte, changes a global and traps on every
// call: 1 + 1 = 2 is only seen if nothing was put back.
func counter(extra ...byte) raw {
	body := []byte{
		0x23, 0, 0x41, 1, 0x6a, 0x24, 0, // global 0 += 1
		0x41, 0, 0x23, 0, 0x3a, 0, 0, // memory[0] = global 0
	}
	body = append(append(body, extra...), codeTrap...)
	return raw{pages: 1, globals: 1, table: 2, functions: []rawFunction{{"handle_request", 0, body}}}
}

func TestWhatIsRestoredAndWhatReplaced(t *testing.T) {
	grow := []byte{0x41, 1, 0x40, 0, 0x1a}           // memory.grow 1
	tableSet := []byte{0x41, 0, 0xd0, 0x70, 0x26, 0} // table.set 0 null
	random := counter()
	random.imports = []rawImport{{"wasi_snapshot_preview1", "random_get", 3}}
	for _, c := range []struct {
		name       string
		module     raw
		restorable bool
	}{
		{"plain", counter(), true},
		{"memory grows", counter(grow...), true}, // but not after it has grown
		{"table changes", counter(tableSet...), false},
		{"seeds itself", random, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, func(o *wasm.Options) { o.Limits.Instances = 1 })
			f, err := b.buildRaw(t, filter.Spec{}, c.module)
			if err != nil {
				t.Fatal(err)
			}
			if got := wasm.Restorable(f); got != c.restorable {
				t.Errorf("restorable %v, want %v", got, c.restorable)
			}
			for range 3 {
				trapIn(t, f, "/")
				wasm.Mended(b.host)
				memory, globals := wasm.State(f)
				if memory[0] != 0 || (len(globals) > 0 && globals[0] != 0) || len(memory) != 64<<10 {
					t.Fatalf("used dirty: memory[0] = %d, globals %v, %d bytes", memory[0], globals, len(memory))
				}
			}
		})
	}
}

// Filters that come and go leave no module and no instance.
func TestReloadsLeaveNothing(t *testing.T) {
	b := newBench(t)
	for range 8 {
		f, err := b.host.Build(context.Background(), spec("mean", ""))
		if err != nil {
			t.Fatal(err)
		}
		held := run(t, f, newExchange("GET", "/"))
		trapIn(t, f, "/panic")
		// A request that outlives the patience of Close frees all when it ends.
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		if err := f.Close(ctx); err == nil {
			t.Error("closed under a request")
		}
		cancel()
		held.Response.Release()
		wasm.Mended(b.host)
	}
	if _, err := b.host.Build(context.Background(), spec("ratelimit", `{}`)); err == nil {
		t.Error("built without limits")
	}
	if modules, instances := wasm.Modules(b.host), wasm.Instances(b.host); modules != 0 || instances != 0 {
		t.Errorf("%d modules and %d instances are left", modules, instances)
	}
}

func TestConcurrentTraps(t *testing.T) {
	b := newBench(t, func(o *wasm.Options) { o.Limits.Instances, o.Limits.QueueTimeout = 3, time.Minute })
	f := b.build(t, "mean", "")
	paths := []string{"/", "/panic", "/", "/exit", "/hoard", "/"}
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for i := range 12 {
				path := paths[(n+i)%len(paths)]
				result, err := f.HandleRequest(context.Background(), newExchange("GET", path))
				if (err == nil) != (path == "/") {
					t.Errorf("%s: %v", path, err)
				}
				if result.Response != nil {
					result.Response.Release()
				}
			}
		})
	}
	wg.Wait()
	wasm.Mended(b.host)
	if n := wasm.Instances(b.host); n > 3 {
		t.Errorf("%d instances", n)
	}
}

func TestFullQueueAnswersAtOnce(t *testing.T) {
	b := newBench(t, func(o *wasm.Options) {
		o.Limits.Instances, o.Limits.Queue, o.Limits.QueueTimeout = 1, 1, time.Minute
	})
	f := b.build(t, "respond", "")
	held := run(t, f, newExchange("GET", "/"))
	waiting := make(chan filter.Result, 1)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		result, _ := f.HandleRequest(ctx, newExchange("GET", "/"))
		waiting <- result
	}()
	for wasm.Waiting(f) == 0 {
		time.Sleep(time.Millisecond)
	}
	if _, err := f.HandleRequest(context.Background(), newExchange("GET", "/")); err == nil || !strings.Contains(err.Error(), "limits.queue") {
		t.Errorf("a third request: %v", err)
	}
	held.Response.Release()
	if result := <-waiting; result.Response == nil {
		t.Error("the waiting request was not served")
	} else {
		result.Response.Release()
	}
}

// Filters of one module share its machine code, whatever else their limits are.
func TestModulesAreShared(t *testing.T) {
	b := newBench(t)
	for _, l := range []filter.Limits{{}, {Fuel: 1_000_000, StartFuel: 9_000_000, CallDepth: 100, Memory: 8 << 20}} {
		s := spec("mean", "")
		s.Limits = l
		f, err := b.host.Build(context.Background(), s)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close(context.Background()) }()
	}
	if n := wasm.Modules(b.host); n != 1 {
		t.Errorf("%d modules", n)
	}
}
