package pluginhost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options configures a [Host]. Zero durations mean the default.
type Options struct {
	// Directory holds the binaries and the file SHA256SUMS.
	Directory string
	// RuntimeDirectory takes a folder with the sockets; the default is the
	// system's folder for temporary files. A long path does not fit a socket.
	RuntimeDirectory string
	// Logger takes the host's and the plugins' log; nil discards it.
	Logger *slog.Logger
	// Registry takes the metrics; nil means none.
	Registry prometheus.Registerer
	// StartTimeout bounds start and configuration of a process; 10 s.
	StartTimeout time.Duration
	// CallTimeout bounds one call, including the wait for a plugin that is
	// being started again; 30 s.
	CallTimeout time.Duration
	// HealthInterval is the time between two looks at a plugin; 5 s.
	HealthInterval time.Duration
	// HealthTimeout is how long a plugin may take to say that it is well
	// before it is killed; 2 s.
	HealthTimeout time.Duration
	// StopGrace is how long a plugin may take to end by itself; 1 s.
	StopGrace time.Duration
	// MinBackoff and MaxBackoff bound the wait before a plugin is started
	// again; 100 ms and 30 s.
	MinBackoff, MaxBackoff time.Duration
}

// Spec names one plugin to run.
type Spec struct {
	// Name is unique in the host: in messages, logs and metrics.
	Name string
	// Kind is the contract that the plugin serves.
	Kind Kind
	// Path of the binary, relative to [Options.Directory]; empty means Name.
	Path string
	// SHA256 is the expected checksum in hexadecimal. Empty means the one in
	// SHA256SUMS.
	SHA256 string
	// Config is the plugin's configuration, one JSON object.
	Config json.RawMessage
	// Env are further NAME=VALUE pairs; the host's own are not passed on.
	Env []string
}

// Kind is a contract that plugins serve.
type Kind string

// KindMail is pluginspec/mail/v1.
const KindMail Kind = "mail"

// Host runs plugins. It is safe for concurrent use.
type Host struct {
	options  Options
	logger   *slog.Logger
	launcher *launcher
	runtime  *runtimeDir
	metrics  metrics

	mu      sync.Mutex
	stopped bool
	plugins map[string]*Plugin
}

// New returns a host without plugins. [Host.Stop] must be called.
func New(o Options) (*Host, error) {
	o = o.withDefaults()
	m, err := newMetrics(o.Registry)
	if err != nil {
		return nil, fmt.Errorf("plugin metrics: %w", err)
	}
	runtime, err := newRuntimeDir(o.RuntimeDirectory)
	if err != nil {
		return nil, err
	}
	return &Host{
		options:  o,
		logger:   o.Logger,
		launcher: newLauncher(),
		runtime:  runtime,
		metrics:  m,
		plugins:  map[string]*Plugin{},
	}, nil
}

func (o Options) withDefaults() Options {
	fill := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	fill(&o.StartTimeout, 10*time.Second)
	fill(&o.CallTimeout, 30*time.Second)
	fill(&o.HealthInterval, 5*time.Second)
	fill(&o.HealthTimeout, 2*time.Second)
	fill(&o.StopGrace, time.Second)
	fill(&o.MinBackoff, 100*time.Millisecond)
	fill(&o.MaxBackoff, 30*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	return o
}

// Start starts and configures a plugin and returns when it is ready. From then
// on it is kept running until the host stops.
//
// # Errors
//
// A missing binary, a wrong checksum and a refused configuration are errors;
// the text says what to do. Nothing is left running then.
func (h *Host) Start(ctx context.Context, spec Spec) (*Plugin, error) {
	if spec.Path == "" {
		spec.Path = spec.Name
	}
	p := newPlugin(h, spec)
	if err := h.add(p); err != nil {
		return nil, fmt.Errorf("plugin %q: %w", spec.Name, err)
	}
	if err := p.start(ctx); err != nil {
		h.remove(p)
		return nil, fmt.Errorf("plugin %q: %w", spec.Name, err)
	}
	return p, nil
}

func (h *Host) add(p *Plugin) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped {
		return errors.New("the plugin host has stopped")
	}
	if _, ok := h.plugins[p.spec.Name]; ok {
		return errors.New("is already running under this name")
	}
	h.plugins[p.spec.Name] = p
	return nil
}

func (h *Host) remove(p *Plugin) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.plugins, p.spec.Name)
}

// Stop ends all plugins, each within the grace period and a moment, and waits
// for them. It may be called again.
func (h *Host) Stop(ctx context.Context) error {
	h.mu.Lock()
	first := !h.stopped
	h.stopped = true
	plugins := h.plugins
	h.plugins = map[string]*Plugin{}
	h.mu.Unlock()
	for _, p := range plugins {
		p.cancel()
	}
	for name, p := range plugins {
		select {
		case <-p.done:
		case <-ctx.Done():
			return fmt.Errorf("stop plugin %q: %w", name, context.Cause(ctx))
		}
	}
	if !first {
		return nil
	}
	h.launcher.stop()
	return h.runtime.remove()
}
