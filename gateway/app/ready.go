package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"gatehouse.example/gateway/reload"
)

const (
	// readyTimeout bounds one answer about readiness.
	readyTimeout = 3 * time.Second
	// readyAge is how long an answer is good, since anyone may ask.
	readyAge = 500 * time.Millisecond
)

var errDraining = errors.New("the gateway is stopping")

// readiness remembers the last answer.
type readiness struct {
	mu    sync.Mutex
	until time.Time
	err   error
}

// Ready reports whether the gateway can serve: a snapshot is loaded, each
// service that it leads to and cannot do without answers its /readyz over mutual TLS, and
// Options.Ready has nothing against it. Answers are remembered for half a
// second.
func (a *App) Ready(ctx context.Context) error {
	if a.pipeline.draining.Load() {
		return errDraining
	}
	r := &a.pipeline.readiness
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Now().Before(r.until) {
		return r.err
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	r.err = a.ready(ctx)
	r.until = time.Now().Add(readyAge)
	return r.err
}

func (a *App) ready(ctx context.Context) error {
	s := a.manager.Acquire()
	if s == nil {
		return errDraining
	}
	defer s.Release()
	if err := checkServices(ctx, s); err != nil {
		return err
	}
	if a.options.Ready != nil {
		return a.options.Ready(ctx)
	}
	return nil
}

// checkServices asks each service once, all at the same time.
func checkServices(ctx context.Context, s *reload.Snapshot) error {
	var group sync.WaitGroup
	errs := make([]error, len(s.Upstreams))
	asked := map[string]bool{}
	for i, u := range s.Upstreams {
		c := &s.Config.Upstreams[i]
		if !c.Service() || c.Optional || asked[c.Targets[0].Service] {
			continue
		}
		asked[c.Targets[0].Service] = true
		group.Go(func() {
			if err := u.Check(ctx, "/readyz"); err != nil {
				errs[i] = fmt.Errorf("service %s is not ready", c.Targets[0].Service)
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}
