package wasm

import (
	"cmp"
	"container/list"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
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
	// trimEvery is how often instances are closed that nobody has needed since
	// the last time.
	trimEvery = time.Minute
)

// pool holds the instances of one filter: the last one used is used next, so
// that the others stay cold and can go. A request that finds none free and no
// room for another waits in line, which is as long as its limit and no longer.
type pool struct {
	size, queue int
	// brisk is how many instances are made by the requests that want them: fewer
	// are too few for the processors.
	brisk   int
	timeout time.Duration
	create  func() (*instance, error)
	// background runs something beside the requests.
	background func(func())
	// drained is called once, when the pool is closed and all instances are
	// gone.
	drained func()

	mu      sync.Mutex
	idle    []*instance
	waiters list.List // of *waiter
	total   int       // instances idle, in use, being made or mended
	growing bool      // one is being made in the background
	closed  bool
	done    chan struct{} // closed when drained
	lowest  int           // fewest idle instances since the last trim
	counts  poolCounts
}

// poolCounts are what the calls of all instances have come to.
type poolCounts struct {
	callCounts
	full, late uint64
	memory     int64 // bytes of all instances
}

// waiter is a request in line.
type waiter struct{ given chan handover }

// handover is what a waiter is told: that an instance has come back, that there
// is none any more, or else that it may make one.
type handover struct {
	look bool
	err  error
}

func newPool(size, queue int, timeout time.Duration, create func() (*instance, error), drained func(), background func(func())) *pool {
	return &pool{
		size: size, queue: queue, brisk: runtime.GOMAXPROCS(0), timeout: timeout, create: create, drained: drained, background: background,
		idle: make([]*instance, 0, min(size, 64)),
		done: make(chan struct{}),
	}
}

// acquire returns an instance that is the caller's until release or lose.
func (p *pool) acquire(ctx context.Context) (*instance, error) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		i := p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		p.lowest = min(p.lowest, n-1)
		p.mu.Unlock()
		return i, nil
	}
	p.lowest = 0
	switch {
	case p.closed:
		p.mu.Unlock()
		return nil, errClosed
	case p.total < min(p.size, p.brisk):
		p.total++
		p.mu.Unlock()
		return p.make()
	case p.waiters.Len() >= p.queue:
		p.counts.full++
		p.mu.Unlock()
		return nil, fmt.Errorf("%w: all %d are in use and %d requests wait: limits.instances, limits.queue", errBusy, p.size, p.queue)
	}
	w := &waiter{given: make(chan handover, 1)}
	e := p.waiters.PushBack(w)
	p.grow()
	p.mu.Unlock()
	return p.wait(ctx, w, e)
}

// grow makes one more instance while somebody waits, if there may be one. In a
// burst those that there are come back long before a new one is ready, and
// making many at once would keep them from it.
func (p *pool) grow() {
	if p.growing || p.closed || p.total >= p.size || p.waiters.Len() == 0 {
		return
	}
	p.growing = true
	p.total++
	p.background(func() {
		i, err := p.create()
		p.mu.Lock()
		p.growing = false
		p.mu.Unlock()
		if err != nil {
			p.giveUp()
			return
		}
		p.release(i)
		p.mu.Lock()
		p.grow()
		p.mu.Unlock()
	})
}

// giveUp ends the making of an instance that has failed. Those in line go on
// waiting for the others; where there are none the next tries, and reports the
// error.
func (p *pool) giveUp() {
	p.mu.Lock()
	others := !p.closed && p.total > 1
	if others {
		p.total--
	}
	p.mu.Unlock()
	if !others {
		p.lose(nil)
	}
}

// make makes an instance in a place that is reserved already.
func (p *pool) make() (*instance, error) {
	i, err := p.create()
	if err != nil {
		p.lose(nil)
		return nil, err
	}
	return i, nil
}

// wait waits in line. An instance that comes back is not kept for the first in
// line, who has yet to be given a processor: whoever runs may have it before,
// or in a burst all instances would idle in the hands of requests that do not
// run. Who finds it gone is the first in line again.
func (p *pool) wait(ctx context.Context, w *waiter, e *list.Element) (*instance, error) {
	timer := time.NewTimer(p.timeout)
	defer timer.Stop()
	for {
		var got handover
		var why error
		select {
		case got = <-w.given:
		case <-timer.C:
			why = fmt.Errorf("%w: all %d are in use: limits.instances", errBusy, p.size)
		case <-ctx.Done():
			why = ctx.Err()
		}
		if why != nil {
			var told bool
			if got, told = p.leave(w, e, why); !told {
				return nil, why
			}
		}
		switch {
		case got.err != nil:
			return nil, got.err
		case !got.look && ctx.Err() != nil:
			p.lose(nil)
			return nil, ctx.Err()
		case !got.look:
			return p.make()
		}
		i, again := p.look(w, ctx.Err() != nil, why != nil)
		if i != nil {
			return i, nil
		}
		if again == nil {
			return nil, cmp.Or(why, ctx.Err(), errClosed)
		}
		e = again
	}
}

// leave takes a waiter out of the line, unless it was told something at the
// last moment.
func (p *pool) leave(w *waiter, e *list.Element, why error) (got handover, told bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case got = <-w.given:
		return got, true
	default:
	}
	p.waiters.Remove(e)
	if errors.Is(why, errBusy) {
		p.counts.late++
	}
	return handover{}, false
}

// look takes an idle instance for a waiter, or puts it back to the head of the
// line, unless that is over for it: gone because nobody waits for its request,
// or late.
func (p *pool) look(w *waiter, gone, late bool) (*instance, *list.Element) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle)
	switch {
	case p.closed:
		return nil, nil
	case n > 0 && !gone:
		i := p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		p.lowest = min(p.lowest, n-1)
		return i, nil
	case n > 0:
		p.wake()
		return nil, nil
	case gone:
		return nil, nil
	case late:
		p.counts.late++
		return nil, nil
	}
	return nil, p.waiters.PushFront(w)
}

// wake tells the first in line that an instance has come back.
func (p *pool) wake() {
	if p.waiters.Len() > 0 {
		p.next(handover{look: true})
	}
}

// release takes an instance back.
func (p *pool) release(i *instance) {
	p.mu.Lock()
	p.count(i)
	closed := p.closed
	if !closed {
		p.idle = append(p.idle, i)
		p.wake()
	}
	p.mu.Unlock()
	if closed {
		i.close()
		p.lose(i)
	}
}

// count adds what an instance has done since the last time.
func (p *pool) count(i *instance) {
	p.counts.add(&i.counts)
	i.counts = callCounts{}
	size := int64(i.memory.Size())
	p.counts.memory += size - i.size
	i.size = size
}

// forget takes an instance that is closed out of the counts; another has its
// place.
func (p *pool) forget(i *instance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts.add(&i.counts)
	p.counts.memory -= i.size
}

// next gives the first in line what it waits for.
func (p *pool) next(h handover) {
	w, _ := p.waiters.Remove(p.waiters.Front()).(*waiter)
	w.given <- h
}

// trim closes the instances that were idle ever since the last trim, but for a
// few. They are the first, for the last is used first.
func (p *pool) trim() {
	p.mu.Lock()
	surplus := slices.Clone(p.idle[:max(0, min(p.lowest, len(p.idle))-keepIdle)])
	p.idle = slices.Delete(p.idle, 0, len(surplus))
	p.lowest = len(p.idle)
	p.mu.Unlock()
	for _, i := range surplus {
		i.close()
		p.lose(i)
	}
}

// lose gives up the place of an instance that is closed, or of one that could
// not be made: then it is nil.
func (p *pool) lose(i *instance) {
	p.mu.Lock()
	if i != nil {
		p.counts.add(&i.counts)
		p.counts.memory -= i.size
	}
	last := false
	if !p.closed && p.waiters.Len() > 0 {
		p.next(handover{}) // the place is the next one's
	} else {
		p.total--
		last = p.closed && p.total == 0
	}
	p.mu.Unlock()
	if last {
		p.drain()
	}
}

func (p *pool) drain() {
	p.drained()
	close(p.done)
}

// isClosed reports whether what comes back is only to be closed.
func (p *pool) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// close ends all idle instances, sends those in line away, and waits until the
// others have come back. Past ctx it waits no longer; the last one back then
// drains the pool.
func (p *pool) close(ctx context.Context) error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	idle := p.idle
	p.idle = nil
	for p.waiters.Len() > 0 {
		p.next(handover{err: errClosed})
	}
	empty := p.total == 0
	p.mu.Unlock()
	if empty {
		p.drain()
	}
	for _, i := range idle {
		i.close()
		p.lose(i)
	}
	select {
	case <-p.done:
		return nil
	default:
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// snapshot returns the counts, how many instances there are and how many
// requests wait.
func (p *pool) snapshot() (c poolCounts, instances, waiting int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts, p.total, p.waiters.Len()
}
