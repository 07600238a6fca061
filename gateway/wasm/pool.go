package wasm

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Errors of a filter that no instance could be found for.
var (
	errBusy   = errors.New("no instance became free in time")
	errClosed = errors.New("the filter is closed")
)

const (
	// keepIdle is how many idle instances stay however quiet it is.
	keepIdle = 2
	// trimEvery is after how many uses the pool looks for instances that
	// nobody needed.
	trimEvery = 4096
)

// pool holds the instances of one filter: the last one used is used next, so
// that the others stay cold and can go.
type pool struct {
	create  func() (*instance, error)
	timeout time.Duration

	// slots holds a token for every instance in use or being replaced: there
	// are never more instances than it has room.
	slots   chan struct{}
	closing chan struct{}
	// replacing counts goroutines that replace an instance.
	replacing sync.WaitGroup

	mu     sync.Mutex
	idle   []*instance
	closed bool
	uses   int
	lowest int // fewest idle instances since the last look
}

func newPool(size int, timeout time.Duration, create func() (*instance, error)) *pool {
	return &pool{
		create:  create,
		timeout: timeout,
		slots:   make(chan struct{}, size),
		closing: make(chan struct{}),
		idle:    make([]*instance, 0, size),
	}
}

// acquire returns an instance that is the caller's until release or discard.
func (p *pool) acquire(ctx context.Context) (*instance, error) {
	select {
	case p.slots <- struct{}{}:
	default:
		if err := p.wait(ctx); err != nil {
			return nil, err
		}
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		<-p.slots
		return nil, errClosed
	}
	if n := len(p.idle); n > 0 {
		i := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.lowest = min(p.lowest, n-1)
		p.mu.Unlock()
		return i, nil
	}
	p.lowest = 0
	p.mu.Unlock()
	i, err := p.create()
	if err != nil {
		<-p.slots
		return nil, err
	}
	return i, nil
}

func (p *pool) wait(ctx context.Context) error {
	timer := time.NewTimer(p.timeout)
	defer timer.Stop()
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-timer.C:
		return fmt.Errorf("%w: all %d are in use", errBusy, cap(p.slots))
	case <-p.closing:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// release takes an instance back.
func (p *pool) release(i *instance) {
	p.put(i)
	<-p.slots
}

func (p *pool) put(i *instance) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		i.close()
		return
	}
	p.idle = append(p.idle, i)
	var surplus *instance
	if p.uses++; p.uses >= trimEvery {
		if p.lowest > keepIdle {
			surplus = p.idle[0]
			p.idle = append(p.idle[:0], p.idle[1:]...)
		}
		p.uses, p.lowest = 0, len(p.idle)
	}
	p.mu.Unlock()
	if surplus != nil {
		surplus.close()
	}
}

// discard ends an instance that has trapped and replaces it off the request's
// path. Its slot stays taken until then.
func (p *pool) discard(i *instance) {
	p.mu.Lock()
	closed := p.closed
	if !closed {
		p.replacing.Add(1)
	}
	p.mu.Unlock()
	if closed {
		i.close()
		<-p.slots
		return
	}
	go func() {
		defer p.replacing.Done()
		i.close()
		// Where it fails, the next request tries again and reports the error.
		if fresh, err := p.create(); err == nil {
			p.put(fresh)
		}
		<-p.slots
	}()
}

// close waits until no request uses an instance, and ends all. Past ctx it
// ends those that are idle; the others end when they come back.
func (p *pool) close(ctx context.Context) error {
	close(p.closing)
	var err error
	for range cap(p.slots) {
		select {
		case p.slots <- struct{}{}:
			continue
		default:
		}
		select {
		case p.slots <- struct{}{}:
			continue
		case <-ctx.Done():
			err = ctx.Err()
		}
		break
	}
	p.mu.Lock()
	p.closed = true
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, i := range idle {
		i.close()
	}
	p.replacing.Wait()
	return err
}
