package reload_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"gatehouse.example/gateway/config"
	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/filter"
	"gatehouse.example/gateway/proxy"
	"gatehouse.example/gateway/reload"
	"gatehouse.example/gateway/wasm"
	"gatehouse.example/gateway/wasm/wasmtest"
)

const swapped = `listeners: [{address: "127.0.0.1:0"}]
filters:
  mine: {module: "file:mine.wasm", limits: {instances: 1}}
routes: [{name: one, match: {path: /x}, filters: [mine], respond: {status: 404}}]
`

// answering is a module that answers every request with status.
func answering(status int) []byte { return wasmtest.Handler{Status: status}.Binary() }

// gateway is a manager over a real host whose only filter is a file.
type gateway struct {
	*reload.Manager
	t        *testing.T
	dir      string
	registry *prometheus.Registry
	log      *buffer
}

type buffer struct {
	mu sync.Mutex
	strings.Builder
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Builder.Write(p)
}

func (b *buffer) count(s string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(b.String(), s)
}

func noUpstream(config.Upstream) (*proxy.Upstream, error) { return nil, nil }

// start runs a manager that follows its files.
func start(t *testing.T) *gateway {
	t.Helper()
	g := &gateway{t: t, dir: t.TempDir(), registry: prometheus.NewRegistry(), log: &buffer{}}
	g.replace("gateway.yaml", []byte(swapped))
	g.replace("mine.wasm", answering(201))
	logger := slog.New(slog.NewTextHandler(g.log, nil))
	host, err := wasm.New(t.Context(), wasm.Options{Logger: logger, Registry: g.registry})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = host.Close(context.Background()) })
	g.Manager, err = reload.New(t.Context(), reload.Options{
		File: filepath.Join(g.dir, "gateway.yaml"), Filters: host, NewUpstream: noUpstream, Logger: logger,
		Registry: g.registry, Poll: 100 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		g.Close()
		if left := g.instances(); left != 0 {
			t.Errorf("%v instances are left after the end", left)
		}
	})
	return g
}

// replace puts a file there at once, as careful builds do.
func (g *gateway) replace(name string, data []byte) {
	g.t.Helper()
	file := filepath.Join(g.dir, name)
	if err := errors.Join(os.WriteFile(file+".new", data, 0o600), os.Rename(file+".new", file)); err != nil {
		g.t.Fatal(err)
	}
}

// answer is the status with which the filter answers now.
func (g *gateway) answer() int {
	g.t.Helper()
	s := g.Acquire()
	defer s.Release()
	ex := &exchange.Exchange{}
	var run filter.Run
	answered, err := s.Routes[0].Chain.HandleRequest(g.t.Context(), ex, &run, func(error) {})
	if err != nil || !answered {
		g.t.Fatalf("answered %v, error %v", answered, err)
	}
	run.Release()
	return ex.Response.Status
}

// instances is how many guests exist.
func (g *gateway) instances() float64 { return g.metric("gatehouse_filter_instances", "") }

func (g *gateway) reloads(result string) float64 {
	return g.metric("gatehouse_gateway_reloads_total", result)
}

// metric is the sum of the metrics of a name that have the label value, if any.
func (g *gateway) metric(name, label string) (sum float64) {
	g.t.Helper()
	families, err := g.registry.Gather()
	if err != nil {
		g.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if label == "" || hasLabel(m, label) {
				sum += m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

func hasLabel(m *dto.Metric, value string) bool {
	for _, l := range m.GetLabel() {
		if l.GetValue() == value {
			return true
		}
	}
	return false
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// TestSwaps replaces the module 200 times, from time to time by one that is
// broken: then the old one answers on.
func TestSwaps(t *testing.T) {
	g := start(t)
	var grown []uint64
	for i := range 200 {
		status := 201 + i%2
		if i%10 == 9 {
			failures := g.reloads("failure")
			g.replace("mine.wasm", fmt.Appendf(nil, "\x00asm\x01\x00\x00\x00 no module %d", i))
			before := g.answer()
			eventually(t, "refusal", func() bool { return g.reloads("failure") == failures+1 })
			if after := g.answer(); after != before {
				t.Fatalf("swap %d: the old filter answered %d, after a refusal %d", i, before, after)
			}
		}
		g.replace("mine.wasm", answering(status))
		eventually(t, "swap", func() bool { return g.answer() == status })
		if n := g.instances(); n > 2 {
			t.Fatalf("swap %d: %v instances", i, n)
		}
		if i == 50 || i == 199 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			grown = append(grown, m.HeapAlloc)
		}
	}
	if grown[1] > grown[0]*3/2+1<<20 {
		t.Errorf("heap after 50 swaps %d bytes, after 200 swaps %d", grown[0], grown[1])
	}
	if n := g.log.count("level=ERROR"); n != 20 {
		t.Errorf("%d errors are logged, want one for each of 20 broken modules", n)
	}
}

// TestModuleThatIsBeingWritten: while a module is written in place, the old one
// answers; when it is whole it runs.
func TestModuleThatIsBeingWritten(t *testing.T) {
	g := start(t)
	module := answering(202)
	file, err := os.OpenFile(filepath.Join(g.dir, "mine.wasm"), os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for len(module) > 0 {
		n := min(len(module), 20)
		if _, err := file.Write(module[:n]); err != nil {
			t.Fatal(err)
		}
		module = module[n:]
		if len(module) > 0 && g.answer() != 201 {
			t.Fatal("half a module runs")
		}
		time.Sleep(15 * time.Millisecond)
	}
	eventually(t, "swap", func() bool { return g.answer() == 202 })
}

// TestModuleOfARefusedFileHeals: the new configuration names a module that is
// missing; putting it there is enough.
func TestModuleOfARefusedFileHeals(t *testing.T) {
	g := start(t)
	if err := os.Mkdir(filepath.Join(g.dir, "new"), 0o700); err != nil {
		t.Fatal(err)
	}
	g.replace("gateway.yaml", []byte(strings.Replace(swapped, "file:mine.wasm", "file:new/mine.wasm", 1)))
	eventually(t, "refusal", func() bool { return g.reloads("failure") == 1 })
	if g.log.count("gateway.yaml:3:10: filter") != 1 {
		t.Errorf("the log does not say where:\n%s", g.log.String())
	}
	if g.answer() != 201 {
		t.Error("the old filter is gone")
	}
	g.replace("new/mine.wasm", answering(203))
	eventually(t, "swap", func() bool { return g.answer() == 203 })
}

// TestSameSizeSameTime: two writes may be too near to one another for the
// file's time to differ.
func TestSameSizeSameTime(t *testing.T) {
	g := start(t)
	file := filepath.Join(g.dir, "mine.wasm")
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+".new", answering(202), 0o600); err != nil {
		t.Fatal(err)
	}
	err = errors.Join(os.Chtimes(file+".new", info.ModTime(), info.ModTime()), os.Rename(file+".new", file))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "swap", func() bool { return g.answer() == 202 })
}

// TestUnchangedIsShared: a reload that changes nothing of a filter leaves its
// instances alone.
func TestUnchangedIsShared(t *testing.T) {
	g := start(t)
	chain := func() filter.Filter {
		s := g.Acquire()
		defer s.Release()
		return s.Routes[0].Chain[0]
	}
	old := chain()
	g.replace("mine.wasm", answering(201))
	if err := g.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if chain() != old {
		t.Error("the same bytes made another filter")
	}
	g.replace("mine.wasm", answering(204))
	if err := g.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if chain() == old {
		t.Error("other bytes made no other filter")
	}
}
