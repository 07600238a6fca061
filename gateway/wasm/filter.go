package wasm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/filter"
	"gatehouse.example/gateway/wasm/capability"
	"gatehouse.example/gateway/wasm/guest"
	"gatehouse.example/gateway/wasm/httpwasm"
)

// wasmFilter is one configured filter.
type wasmFilter struct {
	host        *Host
	name        string
	onError     filter.OnError
	limits      filter.Limits
	environment map[string]string
	folders     map[string]*os.Root
	shared      *guest.Filter
	module      *module
	about       Description
	// features are those of http-wasm that the guest enables while it starts.
	features uint32
	// snapshot is what instances are put back to; nil where they cannot.
	snapshot *snapshot
	// limited are the first instance's limits: what they have counted lives as
	// long as the filter, though all instances may fail at a time.
	limited []*capability.LimitPolicy
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
	f, err := h.prepare(ctx, s, binary)
	if err != nil {
		return nil, err
	}
	if err := f.open(ctx, s); err != nil {
		return nil, errors.Join(err, f.abandon(ctx))
	}
	return f, nil
}

// prepare compiles a filter's module; nothing of it runs yet.
func (h *Host) prepare(ctx context.Context, s filter.Spec, binary []byte) (*wasmFilter, error) {
	limits := overlay(s.Limits, h.options.Limits)
	m, err := h.acquireModule(ctx, binary, &limits)
	if err != nil {
		return nil, err
	}
	f, err := h.newFilter(s, m, limits)
	if err == nil {
		err = m.checkMemory(limits.Memory)
	}
	if err != nil {
		return nil, errors.Join(err, h.releaseModule(ctx, m))
	}
	return f, nil
}

func (h *Host) newFilter(s filter.Spec, m *module, limits filter.Limits) (*wasmFilter, error) {
	f := &wasmFilter{
		host: h, name: s.Name, onError: s.OnError, limits: limits, environment: s.Environment,
		module: m, metrics: h.metrics.of(s.Name),
	}
	logger := h.options.Logger.With("filter", s.Name)
	f.failures = guest.NewLog(logger, 1, h.options.Now)
	f.shared = &guest.Filter{
		Name: s.Name, Config: s.Config, Grants: expandGrants(s.Grants),
		Log: guest.NewLog(logger, limits.LogLines, h.options.Now),
		Refused: func(capability string) {
			h.metrics.refused.WithLabelValues(s.Name, capability).Inc()
		},
		Limiter: h.options.Limiter, Tokens: h.options.Tokens, Keys: h.options.Keys,
		MaxBodyBytes: limits.Body, HostTime: limits.HostTime, Shares: h.shares,
	}
	var err error
	if err = h.services.lend(f.shared, &s, limits); err != nil {
		return nil, err
	}
	if f.folders, err = openFolders(s.Directories); err != nil {
		return nil, fmt.Errorf("directories: %w", err)
	}
	return f, nil
}

// expandGrants adds the parts of grants that stand for several.
func expandGrants(grants []string) []string {
	all := slices.Clone(grants)
	for whole, parts := range map[string][]string{
		filterv1.GrantSensitiveHeaders: {filterv1.GrantAuthorization, filterv1.GrantCookie},
		filterv1.GrantBody:             {filterv1.GrantRequestBody, filterv1.GrantResponseBody},
	} {
		if slices.Contains(grants, whole) {
			all = append(all, parts...)
		}
	}
	return all
}

// abandon frees a filter that never came to have a pool.
func (f *wasmFilter) abandon(ctx context.Context) error {
	closeFolders(f.folders)
	f.shared.ShowKeys()
	return f.host.releaseModule(ctx, f.module)
}

// open starts the first instance and the pool.
func (f *wasmFilter) open(ctx context.Context, s filter.Spec) error {
	first, err := f.instantiate(ctx, 0)
	if err != nil {
		return err
	}
	if err := f.probe(first, s); err != nil {
		first.close()
		return err
	}
	// Not before it has started: what fails to start hides nothing.
	if err := f.shared.HideKeys(first.Keys); err != nil {
		first.close()
		return fmt.Errorf("key_policy: %w", err)
	}
	f.limited = first.Limits
	f.shared.KV.Resize(f.limits.KV)
	f.features = first.BaseFeatures
	if f.restorable() {
		f.snapshot = first.takeSnapshot()
	}
	if f.limits.Instances <= 0 {
		f.limits.Instances = defaultInstances(f.about.ResponsePhase, f.shared.Asks())
	}
	f.shared.Questions = guest.NewQuestions(max(1, f.limits.Instances/2))
	f.pool = newPool(f.limits.Instances, f.limits.Queue, f.limits.QueueTimeout, f.begin, f.drained, f.host.background.Go)
	f.pool.total = 1
	f.host.metrics.enter(f.name, f.pool)
	f.pool.release(first)
	return nil
}

// probe asks the first instance what it is, compares the configuration with
// what it wants, and starts it.
func (f *wasmFilter) probe(first *instance, s filter.Spec) error {
	var err error
	if f.about, err = first.describe(); err != nil {
		return err
	}
	var missing []string
	for _, g := range f.about.Grants {
		if !f.shared.Granted(g) {
			missing = append(missing, strconv.Quote(g))
		}
	}
	if missing != nil {
		return fmt.Errorf("grants: the filter needs %s: add it under grants", strings.Join(missing, " and "))
	}
	if err := checkConfig(s.Config, f.about.ConfigSchema); err != nil {
		return err
	}
	return first.start()
}

// begin makes an instance that is ready for requests. It belongs to the pool,
// not to one request; so its waiting has an end of its own: fuel bounds what it
// runs, limits.host_time what it waits for the host, and limits.queue_timeout,
// which a request may wait for an instance, what it waits for a processor.
func (f *wasmFilter) begin() (*instance, error) {
	i, err := f.instantiate(context.Background(), f.limits.QueueTimeout)
	if err != nil {
		return nil, err
	}
	if err := i.start(); err != nil {
		i.close()
		return nil, err
	}
	return i, nil
}

// Name implements [filter.Filter].
func (f *wasmFilter) Name() string { return f.name }

// OnError implements [filter.Filter].
func (f *wasmFilter) OnError() filter.OnError { return f.onError }

// HandleRequest implements [filter.Filter].
func (f *wasmFilter) HandleRequest(ctx context.Context, ex *exchange.Exchange) (filter.Result, error) {
	// Before an instance is taken: none waits for a slow client, and a client
	// that breaks off traps nobody.
	if err := httpwasm.BufferRequest(f.shared, f.features, ex); err != nil {
		return filter.Result{}, err
	}
	i, err := f.pool.acquire(ctx)
	if err != nil {
		if ctx.Err() == nil {
			f.failures.Line(slog.LevelWarn, "filter has no instance", "reason", err.Error())
		}
		return filter.Result{}, err
	}
	answered, err := i.request(ctx, ex)
	usage := i.usage()
	if err != nil {
		// Half an answer is none, whether the request fails or goes on.
		ex.Response.Status = 0
		ex.Response.Header.Reset()
		ex.Response.Body.SetBytes(nil)
		return filter.Result{Usage: usage}, f.failed(i, err)
	}
	if answered || !f.about.ResponsePhase {
		i.Release()
		return filter.Result{Answered: answered, Usage: usage}, nil
	}
	return filter.Result{Response: i, Usage: usage}, nil
}

// failed counts a trap and has the instance mended, off the request's path.
func (f *wasmFilter) failed(i *instance, err error) error {
	reason := reasonTrap
	if t, ok := errors.AsType[*trap](err); ok {
		reason = t.reason
	}
	if reason != reasonUpstream {
		f.host.metrics.traps.WithLabelValues(f.name, reason).Inc()
	}
	if reason != reasonGone && reason != reasonUpstream {
		f.failures.Line(slog.LevelError, "filter trapped", "reason", err.Error())
	}
	i.End()
	f.host.background.Go(func() {
		// However many traps somebody provokes, they take only so much.
		f.host.mending <- struct{}{}
		defer func() { <-f.host.mending }()
		f.mend(i)
	})
	return err
}

// restore puts an instance back to its first state, if it can, on one of the
// processors that guests share which run on.
func (f *wasmFilter) restore(i *instance) bool {
	if f.snapshot == nil {
		return false
	}
	if !f.host.shares.Acquire(f.limits.QueueTimeout) {
		return false
	}
	defer f.host.shares.Release()
	return f.snapshot.restore(i)
}

// mend makes an instance that has trapped as good as new: it is put back to
// its first state, or another takes its place.
func (f *wasmFilter) mend(i *instance) {
	if f.pool.isClosed() {
		i.close()
		f.pool.lose(i)
		return
	}
	if f.restore(i) {
		f.metrics.restored.Inc()
		f.pool.release(i)
		return
	}
	i.close()
	fresh, err := f.begin()
	if err != nil {
		// The next request tries again and reports the error.
		f.pool.lose(i)
		return
	}
	f.metrics.replaced.Inc()
	f.pool.forget(i)
	f.pool.release(fresh)
}

// Close implements [filter.Filter].
func (f *wasmFilter) Close(ctx context.Context) error {
	if err := f.pool.close(ctx); err != nil {
		// Its instances are still in use; the last one back frees the rest.
		return fmt.Errorf("filter %q: requests are still in it: %w", f.name, err)
	}
	return nil
}

// drained frees what the instances stood on.
func (f *wasmFilter) drained() {
	f.host.metrics.leave(f.name, f.pool)
	if err := f.abandon(context.Background()); err != nil {
		f.failures.Line(slog.LevelError, "filter is not freed", "error", err)
	}
}
