// Package reload owns which configuration the gateway runs: it builds an
// immutable snapshot off the hot path, swaps one pointer, and frees the old
// snapshot when the last exchange has left it.
//
// It knows what a snapshot is made of but not what becomes of a request in it
// (gateway/app), and opens no listener.
package reload

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse.example/gateway/config"
	"gatehouse.example/gateway/filter"
	"gatehouse.example/gateway/proxy"
)

// Options configure a [Manager].
type Options struct {
	// File is the gateway's configuration.
	File string
	// Filters builds filters.
	Filters filter.Builder
	// NewUpstream makes upstreams.
	NewUpstream func(config.Upstream) (*proxy.Upstream, error)
	// Poll is how often the file is looked at where the system does not tell
	// of changes; 0 is two seconds.
	Poll time.Duration
	// Logger hears of each change and why one was refused.
	Logger *slog.Logger
	// Registry takes gatehouse_gateway_reloads_total.
	Registry prometheus.Registerer
	// Now is the clock.
	Now func() time.Time
}

// Manager holds the current snapshot. It is safe for concurrent use.
type Manager struct {
	options Options
	current atomic.Pointer[Snapshot]
	reloads *prometheus.CounterVec

	// building lets one builder work at a time.
	building sync.Mutex
	seen     fingerprint // guarded by building
	looker   looker      // guarded by building
	// watched are the files that the running configuration names and, where
	// the last one was refused, those that it names. Guarded by building.
	watched []string

	mu    sync.Mutex
	parts map[partKey]*part
}

// New loads the file and builds the first snapshot.
func New(ctx context.Context, o Options) (*Manager, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Poll == 0 {
		o.Poll = 2 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	m := &Manager{options: o, parts: map[partKey]*part{}, looker: looker{file: o.File}}
	m.reloads = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gatehouse_gateway_reloads_total",
		Help: "Changes of the gateway's configuration by what became of them.",
	}, []string{"result"})
	m.reloads.WithLabelValues("success")
	m.reloads.WithLabelValues("failure")
	if o.Registry != nil {
		if err := o.Registry.Register(m.reloads); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	m.building.Lock()
	defer m.building.Unlock()
	if err := m.load(ctx); err != nil {
		return nil, err
	}
	return m, nil
}

// Acquire returns the current snapshot, which the caller releases. It is nil
// after [Manager.Close].
func (m *Manager) Acquire() *Snapshot {
	for {
		s := m.current.Load()
		if s == nil || s.acquire() {
			return s
		}
		// It was drained between the load and the count: there is a newer one.
	}
}

// Reload loads the file now, whether it has changed or not.
//
// # Errors
//
// The error says file, line and column; the running snapshot stays.
func (m *Manager) Reload(ctx context.Context) error {
	m.building.Lock()
	defer m.building.Unlock()
	err := m.load(ctx)
	m.tell(ctx, err)
	return err
}

// Close gives up the current snapshot. Exchanges that hold it keep it.
func (m *Manager) Close() {
	m.building.Lock()
	defer m.building.Unlock()
	if s := m.current.Swap(nil); s != nil {
		s.Release()
	}
}

// tell counts and logs what became of a change.
func (m *Manager) tell(ctx context.Context, err error) {
	if err != nil {
		if ctx.Err() != nil {
			return // we are stopping; that is no verdict on the file
		}
		m.reloads.WithLabelValues("failure").Inc()
		m.options.Logger.LogAttrs(ctx, slog.LevelError, "gateway configuration refused, the running one stays",
			slog.String("file", m.options.File), slog.String("error", err.Error()))
		return
	}
	m.reloads.WithLabelValues("success").Inc()
	m.options.Logger.LogAttrs(ctx, slog.LevelInfo, "gateway configuration reloaded",
		slog.String("file", m.options.File), slog.Int("routes", len(m.current.Load().Routes)))
}

// load builds a snapshot of the file as it is now and swaps the pointer.
func (m *Manager) load(ctx context.Context) error {
	// What is seen is noted before the files are read: a change in between is
	// found by the next look.
	old := m.current.Load()
	m.seen = m.looker.look(m.watched)
	data, err := os.ReadFile(m.options.File)
	if err != nil {
		return fmt.Errorf("read gateway configuration: %w", err)
	}
	g, err := config.Parse(m.options.File, data)
	if err != nil {
		return err
	}
	named := fingerprint{file: g.SHA256, others: m.looker.others(g.Files)}
	if old != nil {
		// Should it be refused, a change of what only it names may heal it.
		m.watched = slices.Compact(slices.Sorted(slices.Values(slices.Concat(old.Config.Files, g.Files))))
		m.seen = fingerprint{file: g.SHA256, others: m.looker.others(m.watched)}
	}
	s, err := m.build(ctx, g)
	if err != nil {
		return err
	}
	m.watched, m.seen = g.Files, named
	if old != nil && !sameSockets(old.Config, g) {
		m.options.Logger.LogAttrs(ctx, slog.LevelWarn, "listeners and limits of connections change with the next start only",
			slog.String("file", m.options.File))
	}
	if old := m.current.Swap(s); old != nil {
		old.Release()
	}
	return nil
}

// sameSockets reports whether what was fixed when the listeners were opened is
// the same in both.
func sameSockets(a, b *config.Gateway) bool {
	limits := b.Limits
	limits.MaxBodyBytes = a.Limits.MaxBodyBytes // belongs to the routes
	return a.Limits == limits && reflect.DeepEqual(a.Listeners, b.Listeners)
}
