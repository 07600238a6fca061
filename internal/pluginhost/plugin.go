package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// A plugin that ran this long starts again without a memory of earlier deaths.
const steadyAfter = time.Minute

// Plugin is a plugin that the host keeps running. It is safe for concurrent
// use.
type Plugin struct {
	host *Host
	spec Spec
	// run is done when the host stops; cancel ends it.
	run    context.Context
	cancel context.CancelFunc
	done   chan struct{}
	// suspect asks the supervisor to look at the plugin's health now.
	suspect chan struct{}

	mu      sync.Mutex
	current *instance
	// ready is closed while current is set.
	ready   chan struct{}
	lastErr error
}

func newPlugin(h *Host, spec Spec) *Plugin {
	run, cancel := context.WithCancel(context.Background())
	return &Plugin{
		host:    h,
		spec:    spec,
		run:     run,
		cancel:  cancel,
		done:    make(chan struct{}),
		suspect: make(chan struct{}, 1),
		ready:   make(chan struct{}),
		lastErr: errors.New("not started yet"),
	}
}

// Name is the plugin's name in the host.
func (p *Plugin) Name() string { return p.spec.Name }

// PID is the number of the process that serves the plugin now; 0 while there
// is none.
func (p *Plugin) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil {
		return 0
	}
	return p.current.process.cmd.Process.Pid
}

// Ready returns nil while the plugin is running, else why it is not.
func (p *Plugin) Ready(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil {
		return fmt.Errorf("plugin %q is not running: %w", p.spec.Name, p.lastErr)
	}
	return nil
}

func (p *Plugin) start(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.run, cancel)()
	first, err := p.host.launch(ctx, p.spec)
	if err != nil {
		p.cancel()
		close(p.done)
		return err
	}
	p.up(first)
	// The plugin outlives the call that started it.
	go p.supervise(p.run, first)
	return nil
}

// supervise keeps the plugin running until ctx is done. The instance is up.
func (p *Plugin) supervise(ctx context.Context, in *instance) {
	defer close(p.done)
	logger := p.host.logger.With("plugin", p.spec.Name)
	deaths := 0
	for in != nil {
		started := time.Now()
		logger.Info("plugin is running", "pid", in.process.ID())
		reason := p.watch(ctx, in)
		p.down(reason)
		if ctx.Err() == nil {
			logger.Warn("plugin is down", "reason", reason)
			// It is dead or does not answer: nothing to ask for.
			in.process.kill()
		}
		in.stop(p.host.options.StopGrace, logger)
		if time.Since(started) > steadyAfter {
			deaths = 0
		}
		if in, deaths = p.relaunch(ctx, deaths); in != nil {
			p.up(in)
		}
	}
}

// watch returns why the instance is of no use any more.
func (p *Plugin) watch(ctx context.Context, in *instance) error {
	ticker := time.NewTicker(p.host.options.HealthInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return errors.New("the host is stopping")
		case <-in.process.exited:
			return fmt.Errorf("process ended: %w", orDone(in.process.waitErr))
		case <-p.suspect:
		case <-ticker.C:
		}
		if err := in.healthy(ctx, p.host.options.HealthTimeout); err != nil && ctx.Err() == nil {
			select {
			case <-in.process.exited:
				return fmt.Errorf("process ended: %w", orDone(in.process.waitErr))
			default:
				return fmt.Errorf("health: %w", err)
			}
		}
	}
}

func orDone(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// relaunch starts a new instance, with growing pauses, until one runs or ctx
// is done; then it returns nil.
func (p *Plugin) relaunch(ctx context.Context, deaths int) (*instance, int) {
	for ; ctx.Err() == nil; deaths++ {
		select {
		case <-ctx.Done():
			return nil, deaths
		case <-time.After(p.backoff(deaths)):
		}
		in, err := p.host.launch(ctx, p.spec)
		if err == nil {
			p.host.metrics.restarts.WithLabelValues(p.spec.Name).Inc()
			return in, deaths + 1
		}
		p.down(err)
		if ctx.Err() == nil {
			p.host.logger.Error("plugin does not start", "plugin", p.spec.Name, "error", err)
		}
	}
	return nil, deaths
}

func (p *Plugin) backoff(deaths int) time.Duration {
	pause := p.host.options.MinBackoff << min(deaths, 20)
	pause = min(pause, p.host.options.MaxBackoff)
	// Half of it is random, so that many hosts do not start in step.
	return pause/2 + rand.N(pause/2+1)
}

func (p *Plugin) up(in *instance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.current = in
	close(p.ready)
	p.host.metrics.up.WithLabelValues(p.spec.Name).Set(1)
}

func (p *Plugin) down(reason error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current != nil {
		p.current = nil
		p.ready = make(chan struct{})
	}
	p.lastErr = reason
	p.host.metrics.up.WithLabelValues(p.spec.Name).Set(0)
}

// call runs f with the contract's client of the running instance. It waits for
// one if need be; all of it within the host's call timeout.
func (p *Plugin) call(ctx context.Context, f func(ctx context.Context, dispensed any) error) error {
	ctx, cancel := context.WithTimeout(ctx, p.host.options.CallTimeout)
	defer cancel()
	in, err := p.acquire(ctx)
	if err != nil {
		return err
	}
	err = f(ctx, in.dispensed)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		select {
		case p.suspect <- struct{}{}:
		default:
		}
	}
	return err
}

func (p *Plugin) acquire(ctx context.Context) (*instance, error) {
	for {
		p.mu.Lock()
		in, ready, lastErr := p.current, p.ready, p.lastErr
		p.mu.Unlock()
		if in != nil {
			return in, nil
		}
		select {
		case <-ready:
		case <-p.done:
			return nil, fmt.Errorf("plugin %q has stopped", p.spec.Name)
		case <-ctx.Done():
			return nil, fmt.Errorf("plugin %q is not running: %w", p.spec.Name, lastErr)
		}
	}
}
