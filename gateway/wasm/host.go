package wasm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"gatehouse.example/gateway/filter"
	"gatehouse.example/gateway/wasm/capability"
	"gatehouse.example/gateway/wasm/extension"
	"gatehouse.example/gateway/wasm/httpwasm"
)

// The defaults of [Options].
const (
	// DefaultMemory is the linear memory of one instance in bytes.
	DefaultMemory = 16 << 20
	// DefaultQueueTimeout is how long a request waits for an instance.
	DefaultQueueTimeout = time.Second
	// DefaultMaxBodyBytes bounds a body that a guest reads or writes.
	DefaultMaxBodyBytes = 8 << 20
	// DefaultMaxModuleBytes bounds a module's size.
	DefaultMaxModuleBytes = 32 << 20
	// DefaultLogLinesPerSecond bounds what one filter logs.
	DefaultLogLinesPerSecond = 20
)

// Options are the options of a [Host]. The zero value runs filters without
// built-ins, tokens and keys, and compiles them at every start.
type Options struct {
	// CacheDir is the private folder where compiled modules are kept: 0700, as
	// its content is executed. It is created if needed; empty keeps nothing.
	CacheDir string
	// Builtin returns the module behind "builtin:NAME"; nil knows none.
	Builtin func(name string) ([]byte, error)
	// Limiter counts requests; nil means one of its own.
	Limiter *capability.Limiter
	// Tokens verifies access tokens; nil means that filters are told that
	// nobody does.
	Tokens capability.Tokens
	// Keys verifies API keys; nil likewise.
	Keys capability.Keys
	// Limits are used where a filter's own are zero. Zero fields mean
	// DefaultMemory, and twice as many instances as CPUs (at least four), or
	// eight times for a filter with a response phase, which keeps its instance
	// while the upstream works. Fuel is not metered yet.
	Limits filter.Limits
	// QueueTimeout is how long a request waits for an instance at most; zero
	// means DefaultQueueTimeout.
	QueueTimeout time.Duration
	// MaxBodyBytes bounds a body that a guest reads or writes; zero means
	// DefaultMaxBodyBytes.
	MaxBodyBytes int64
	// MaxModuleBytes bounds a module's size; zero means DefaultMaxModuleBytes.
	MaxModuleBytes int64
	// LogLinesPerSecond bounds what one filter logs; zero means
	// DefaultLogLinesPerSecond.
	LogLinesPerSecond int
	// Logger takes the log; nil means slog.Default.
	Logger *slog.Logger
	// Registry takes the metrics; nil means none.
	Registry prometheus.Registerer
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

func (o *Options) complete() {
	if o.Limiter == nil {
		o.Limiter = capability.NewLimiter(capability.LimiterOptions{})
	}
	if o.Limits.Memory == 0 {
		o.Limits.Memory = DefaultMemory
	}
	if o.QueueTimeout == 0 {
		o.QueueTimeout = DefaultQueueTimeout
	}
	if o.MaxBodyBytes == 0 {
		o.MaxBodyBytes = DefaultMaxBodyBytes
	}
	if o.MaxModuleBytes == 0 {
		o.MaxModuleBytes = DefaultMaxModuleBytes
	}
	if o.LogLinesPerSecond == 0 {
		o.LogLinesPerSecond = DefaultLogLinesPerSecond
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

// Host runs WebAssembly filters. It is safe for concurrent use.
type Host struct {
	options Options
	runtime wazero.Runtime
	cache   wazero.CompilationCache
	metrics *metrics

	mu      sync.Mutex
	modules map[digest]*module
}

var _ filter.Builder = (*Host)(nil)

// New returns a host.
//
// # Errors
//
// A cache folder that cannot be made, or that others may write to: it holds
// machine code that will run.
func New(ctx context.Context, o Options) (*Host, error) {
	o.complete()
	h := &Host{options: o, modules: make(map[digest]*module), metrics: newMetrics(o.Registry)}
	if o.CacheDir == "" {
		h.cache = wazero.NewCompilationCache()
	} else {
		if err := privateFolder(o.CacheDir); err != nil {
			return nil, err
		}
		var err error
		if h.cache, err = wazero.NewCompilationCacheWithDir(o.CacheDir); err != nil {
			return nil, fmt.Errorf("open cache of compiled filters %q: %w", o.CacheDir, err)
		}
	}
	// Memory is limited per instance (see memory.go), for a runtime has one
	// limit for all.
	h.runtime = wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().
		WithCompilationCache(h.cache).
		WithDebugInfoEnabled(false))
	_, err := wasi_snapshot_preview1.Instantiate(ctx, h.runtime)
	err = errors.Join(err, httpwasm.Instantiate(ctx, h.runtime), extension.Instantiate(ctx, h.runtime))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start WebAssembly runtime: %w", err), h.Close(ctx))
	}
	return h, nil
}

// privateFolder makes the folder and checks that nobody else may write to it.
func privateFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make cache of compiled filters: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("cache of compiled filters: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("cache of compiled filters %q: others may write to it, but it holds code that will run: chmod 700 %s", dir, filepath.Clean(dir))
	}
	return nil
}

// Close frees everything. Filters must be closed before.
func (h *Host) Close(ctx context.Context) error {
	var err error
	if h.runtime != nil {
		err = h.runtime.Close(ctx)
	}
	return errors.Join(err, h.cache.Close(ctx))
}

// Precompile compiles a module into the cache folder, so that the next start
// finds it there.
func (h *Host) Precompile(ctx context.Context, binary []byte) error {
	m, err := h.acquireModule(ctx, binary)
	if err != nil {
		return err
	}
	return h.releaseModule(ctx, m)
}

// readModule returns the bytes behind a filter's module.
func (h *Host) readModule(s *filter.Spec) ([]byte, error) {
	kind, name, ok := cutSource(s.Module)
	if !ok {
		return nil, fmt.Errorf("module %q: want builtin:NAME or file:PATH", s.Module)
	}
	if kind == "builtin" {
		if h.options.Builtin == nil {
			return nil, fmt.Errorf("module %q: this binary has no built-in filters", s.Module)
		}
		return h.options.Builtin(name)
	}
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("module %q: there is no such file", s.Module)
	case err != nil:
		return nil, fmt.Errorf("module: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("module %q: not a regular file", s.Module)
	case info.Size() > h.options.MaxModuleBytes:
		return nil, fmt.Errorf("module %q: %d bytes are more than the allowed %d", s.Module, info.Size(), h.options.MaxModuleBytes)
	}
	return os.ReadFile(name)
}
