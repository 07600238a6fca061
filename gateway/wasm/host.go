package wasm

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/filter"
	"gatehouse.example/gateway/wasm/capability"
	"gatehouse.example/gateway/wasm/extension"
	"gatehouse.example/gateway/wasm/guest"
	"gatehouse.example/gateway/wasm/httpwasm"
	"gatehouse.example/gateway/wasm/source"
)

// Options are the options of a [Host]. The zero value runs filters without
// built-ins, tokens and keys, and compiles them at every start.
type Options struct {
	// CacheDir is the private folder where compiled modules, and copies of
	// those of the network, are kept: 0700, as its content is executed. It is
	// created if needed; empty keeps nothing.
	CacheDir string
	// Builtin returns the module behind "builtin:NAME"; nil knows none.
	Builtin func(name string) ([]byte, error)
	// Modules reads modules; nil means one that knows Builtin and keeps its
	// copies in CacheDir.
	Modules filter.Loader
	// Limiter counts requests; nil means one of its own.
	Limiter *capability.Limiter
	// Tokens verifies access tokens; nil means that filters are told that
	// nobody does.
	Tokens capability.Tokens
	// Keys verifies API keys; nil likewise.
	Keys capability.Keys
	// Limits are used where a filter's own are zero. Zero fields mean the
	// constants above, and twice as many instances as CPUs (at least four); four
	// times that for a filter with a response phase, which keeps its instance
	// while the upstream works, and eight times for one that is granted jwt, key
	// or http, which may wait for other servers.
	Limits filter.Limits
	// OutboundTLS holds further authorities for http_call; nil trusts the
	// system's.
	OutboundTLS *tls.Config
	// Logger takes the log; nil means slog.Default.
	Logger *slog.Logger
	// Registry takes the metrics; nil means none.
	Registry prometheus.Registerer
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// complete fills what is left open. It returns the loader that it makes; nil
// where there is one.
func (o *Options) complete() (made *source.Loader) {
	o.Limits = overlay(o.Limits, defaultLimits())
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Modules == nil {
		loader := source.Options{Builtin: o.Builtin, MaxModuleBytes: o.Limits.ModuleBytes, Logger: o.Logger}
		if o.CacheDir != "" {
			loader.CopyDir = filepath.Join(o.CacheDir, source.CopyFolder)
		}
		made = source.New(loader)
		o.Modules = made
	}
	if o.Limiter == nil {
		o.Limiter = capability.NewLimiter(capability.LimiterOptions{})
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return made
}

// Host runs WebAssembly filters. It is safe for concurrent use.
type Host struct {
	options Options
	runtime wazero.Runtime
	cache   wazero.CompilationCache
	metrics *metrics
	// services outlive filters.
	services services
	// imports are the signatures of what modules may import, by module.
	imports map[string]map[string]string

	// background are the goroutines that mend instances, mending holds a token
	// for each that is at it.
	background sync.WaitGroup
	mending    chan struct{}
	// shares are the processors for guests that run on.
	shares *guest.Shares

	// stop ends the trimming of pools, trimming is closed when it has ended; both
	// are nil where it has not begun.
	stop     context.CancelFunc
	trimming chan struct{}
	// loader is Options.Modules where the host has made it.
	loader *source.Loader

	mu      sync.Mutex
	modules map[moduleKey]*module

	compiled atomic.Int64 // modules so far
}

var (
	_ filter.Builder = (*Host)(nil)
	_ filter.Loader  = (*Host)(nil)
)

// New returns a host.
//
// # Errors
//
// A cache folder that cannot be made, or that others may write to: it holds
// machine code that will run.
func New(ctx context.Context, o Options) (*Host, error) {
	loader := o.complete()
	h := &Host{
		loader: loader, options: o, modules: make(map[moduleKey]*module), metrics: newMetrics(o.Registry), services: newServices(&o),
		mending: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		shares:  guest.NewShares(max(1, runtime.GOMAXPROCS(0)/2)),
		imports: make(map[string]map[string]string),
	}
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
		h.pruneCache(ctx)
	}
	// Memory is limited per instance (see memory.go), for a runtime has one
	// limit for all.
	h.runtime = wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().
		WithCompilationCache(h.cache).
		WithDebugInfoEnabled(false))
	err := errors.Join(guest.ExportRefill(ctx, h.runtime), instantiateWASI(ctx, h.runtime), httpwasm.Instantiate(ctx, h.runtime), extension.Instantiate(ctx, h.runtime))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start WebAssembly runtime: %w", err), h.Close(ctx))
	}
	for _, name := range []string{httpwasm.Module, filterv1.Module, wasi_snapshot_preview1.ModuleName} {
		h.imports[name] = signatures(h.runtime.Module(name))
	}
	trimming, stop := context.WithCancel(context.WithoutCancel(ctx))
	h.stop, h.trimming = stop, make(chan struct{})
	go h.trim(trimming)
	return h, nil
}

// trim frees the instances that nobody needs, however quiet it is.
func (h *Host) trim(ctx context.Context) {
	defer close(h.trimming)
	ticker := time.NewTicker(trimEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			h.metrics.trim()
		}
	}
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
	if h.stop != nil {
		h.stop()
		<-h.trimming
	}
	h.background.Wait()
	h.services.close()
	if h.loader != nil {
		h.loader.Close()
	}
	if h.runtime != nil {
		err = h.runtime.Close(ctx)
	}
	return errors.Join(err, h.cache.Close(ctx))
}

// Precompile compiles a module into the cache folder, so that the next start
// finds it there.
func (h *Host) Precompile(ctx context.Context, binary []byte) error {
	m, err := h.acquireModule(ctx, binary, &h.options.Limits)
	if err != nil {
		return err
	}
	return h.releaseModule(ctx, m)
}

// Load implements [filter.Loader].
func (h *Host) Load(ctx context.Context, s *filter.Spec) ([]byte, error) {
	return h.options.Modules.Load(ctx, s)
}

// maxCacheBytes bounds the folder of compiled modules: some fifty of Go.
const maxCacheBytes = 1 << 30

// pruneEvery is after how many compilations the folder is looked at.
const pruneEvery = 16

// pruneCache bounds the folder of compiled modules. It grows with each new
// module, so it is looked at while the host runs, too.
func (h *Host) pruneCache(ctx context.Context) {
	if h.options.CacheDir == "" {
		return
	}
	if err := source.Prune(h.options.CacheDir, maxCacheBytes); err != nil {
		h.options.Logger.LogAttrs(ctx, slog.LevelWarn, "cache of compiled filters is not pruned", slog.Any("error", err))
	}
}
