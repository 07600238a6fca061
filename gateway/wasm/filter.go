package wasm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/filter"
	"gatehouse.example/gateway/wasm/guest"
)

// wasmFilter is one configured filter.
type wasmFilter struct {
	host    *Host
	name    string
	onError filter.OnError
	limits  filter.Limits
	shared  *guest.Filter
	module  *module
	about   description
	pool    *pool
	metrics filterMetrics
	// failures takes what goes wrong with the filter, once a second at most.
	failures *guest.Log
}

var _ filter.Filter = (*wasmFilter)(nil)

// Build implements [filter.Builder]: it compiles the module, starts a first
// instance with the configuration, and checks what it needs.
func (h *Host) Build(ctx context.Context, s filter.Spec) (filter.Filter, error) {
	for _, g := range s.Grants {
		if !slices.Contains(filterv1.Grants(), g) {
			return nil, fmt.Errorf("grants: %q is unknown; there are %q", g, filterv1.Grants())
		}
	}
	binary := s.Binary
	if binary == nil {
		var err error
		if binary, err = h.Load(ctx, &s); err != nil {
			return nil, err
		}
	}
	m, err := h.acquireModule(ctx, binary)
	if err != nil {
		return nil, err
	}
	f := h.newFilter(s, m)
	if err := f.open(ctx, s); err != nil {
		return nil, errors.Join(err, h.releaseModule(ctx, m))
	}
	return f, nil
}

func (h *Host) newFilter(s filter.Spec, m *module) *wasmFilter {
	f := &wasmFilter{
		host:    h,
		name:    s.Name,
		onError: s.OnError,
		limits:  s.Limits,
		module:  m,
		metrics: h.metrics.of(s.Name),
	}
	if f.limits.Memory == 0 {
		f.limits.Memory = h.options.Limits.Memory
	}
	f.failures = guest.NewLog(h.options.Logger.With("filter", s.Name), 1, h.options.Now)
	f.shared = &guest.Filter{
		Name:   s.Name,
		Config: s.Config,
		Grants: s.Grants,
		Log:    guest.NewLog(h.options.Logger.With("filter", s.Name), h.options.LogLinesPerSecond, h.options.Now),
		Refused: func(capability string) {
			h.metrics.refused.WithLabelValues(s.Name, capability).Inc()
		},
		Limiter:      h.options.Limiter,
		Tokens:       h.options.Tokens,
		Keys:         h.options.Keys,
		MaxBodyBytes: h.options.MaxBodyBytes,
	}
	return f
}

// open starts the first instance and the pool.
func (f *wasmFilter) open(ctx context.Context, s filter.Spec) error {
	if err := f.module.checkMemory(f.limits.Memory); err != nil {
		return err
	}
	if err := f.host.services.lend(f.shared, &s, f.limits); err != nil {
		return err
	}
	first, err := f.instantiate(ctx)
	if err != nil {
		return err
	}
	if err := f.probe(first, s); err != nil {
		first.close()
		return err
	}
	size := f.limits.Instances
	if size <= 0 {
		size = f.host.options.Limits.Instances
	}
	if size <= 0 {
		size = max(4, 2*runtime.GOMAXPROCS(0))
		if f.about.ResponsePhase {
			size *= 4
		}
	}
	f.pool = newPool(size, f.host.options.QueueTimeout, func() (*instance, error) {
		i, err := f.instantiate(context.Background())
		if err != nil {
			return nil, err
		}
		if err := i.start(); err != nil {
			i.close()
			return nil, err
		}
		return i, nil
	})
	f.pool.put(first)
	return nil
}

// probe asks the first instance what it is and starts it.
func (f *wasmFilter) probe(first *instance, s filter.Spec) error {
	var err error
	if f.about, err = first.describe(); err != nil {
		return err
	}
	for _, g := range f.about.Grants {
		if !slices.Contains(s.Grants, g) {
			return fmt.Errorf("grants: the filter needs %q: add it under grants", g)
		}
	}
	return first.start()
}

// Name implements [filter.Filter].
func (f *wasmFilter) Name() string { return f.name }

// OnError implements [filter.Filter].
func (f *wasmFilter) OnError() filter.OnError { return f.onError }

// HandleRequest implements [filter.Filter].
func (f *wasmFilter) HandleRequest(ctx context.Context, ex *exchange.Exchange) (filter.Result, error) {
	i, err := f.pool.acquire(ctx)
	if err != nil {
		if errors.Is(err, errBusy) {
			f.metrics.queueTimeouts.Inc()
			f.failures.Line(slog.LevelWarn, "filter is busy", "reason", err.Error())
		}
		return filter.Result{}, err
	}
	f.metrics.requests.Inc()
	answered, err := i.request(ctx, ex)
	if err != nil {
		// Half an answer is none, whether the request fails or goes on.
		ex.Response.Status = 0
		ex.Response.Header.Reset()
		ex.Response.Body.SetBytes(nil)
		return filter.Result{}, f.trapped(i, err)
	}
	if answered || !f.about.ResponsePhase {
		i.Release()
		return filter.Result{Answered: answered}, nil
	}
	return filter.Result{Response: i}, nil
}

// trapped ends an instance that has trapped: it is never used again.
func (f *wasmFilter) trapped(i *instance, err error) error {
	f.metrics.traps.Inc()
	i.End()
	f.pool.discard(i)
	f.failures.Line(slog.LevelError, "filter trapped", "reason", err.Error())
	return err
}

// Close implements [filter.Filter].
func (f *wasmFilter) Close(ctx context.Context) error {
	if err := f.pool.close(ctx); err != nil {
		// Its instances are still in use, so its code must stay.
		return fmt.Errorf("filter %q: requests are still in it: %w", f.name, err)
	}
	return f.host.releaseModule(ctx, f.module)
}
