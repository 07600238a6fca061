package stack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	// stopTimeout bounds how long one part may take to stop.
	stopTimeout = 15 * time.Second
	// restartMin and restartMax bound the pause before background work that
	// failed is started again.
	restartMin = 500 * time.Millisecond
	restartMax = 15 * time.Second
)

// lifecycle holds what runs, in the order in which it was started.
type lifecycle struct {
	logger *slog.Logger
	mu     sync.Mutex // guards parts: some start at the same time
	parts  []part
	failed chan error
}

type part struct {
	name string
	stop func(ctx context.Context) error
}

func newLifecycle(logger *slog.Logger) *lifecycle {
	return &lifecycle{logger: logger, failed: make(chan error, 1)}
}

// onStop records how the part called name is stopped.
func (l *lifecycle) onStop(name string, stop func(ctx context.Context) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.parts = append(l.parts, part{name, stop})
}

// fail ends the process's wait with err; the first one counts.
func (l *lifecycle) fail(err error) {
	select {
	case l.failed <- err:
	default:
	}
}

// keep runs background work until the stack stops. Work that ends early is
// logged and started again after a pause, so that a database or broker that
// comes back finds it running.
func (l *lifecycle) keep(name string, run func(ctx context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		pause := restartMin
		for {
			started := time.Now()
			err := run(ctx)
			if ctx.Err() != nil {
				return
			}
			if time.Since(started) > time.Minute {
				pause = restartMin
			}
			l.logger.Error("background work ended; starting it again", "part", name, "error", err, "pause", pause)
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
			pause = min(2*pause, restartMax)
		}
	}()
	l.onStop(name, func(stop context.Context) error {
		cancel()
		select {
		case <-done:
			return nil
		case <-stop.Done():
			return stop.Err()
		}
	})
}

// stop stops all parts, the last started first.
func (l *lifecycle) stop() error {
	l.mu.Lock()
	parts := l.parts
	l.parts = nil
	l.mu.Unlock()
	var errs []error
	for i := len(parts) - 1; i >= 0; i-- {
		p := parts[i]
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		start := time.Now()
		if err := p.stop(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", p.name, err))
		}
		cancel()
		l.logger.Debug("stopped", "part", p.name, "duration_ms", time.Since(start).Milliseconds())
	}
	return errors.Join(errs...)
}
