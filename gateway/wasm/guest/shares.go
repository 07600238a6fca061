package guest

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
)

// SliceUnits is how much fuel a guest is given at a time, some 50 to 100
// microseconds: machine code cannot be interrupted, so a guest that runs on
// would keep its processor from everybody else, and the collector from all.
const SliceUnits = 100_000

const (
	// restPerSlice is how long a guest that runs on rests for each slice while
	// others are called: so the system has a processor for them at once.
	restPerSlice = 100 * time.Microsecond
	// maxRest bounds the rest of one call.
	maxRest = 7 * time.Millisecond
)

// Shares bound what guests take together that run on beyond their first slice.
// All filters of a host have the same. Nil bounds nothing.
type Shares struct {
	// processors are those that they may hold. The others are left to guests
	// that are brief.
	processors chan struct{}
	// called is set by every call into a guest.
	called atomic.Bool
}

// NewShares returns shares of so many processors.
func NewShares(processors int) *Shares { return &Shares{processors: make(chan struct{}, processors)} }

// Acquire takes a processor for work that is not a guest's, and reports whether
// one was free in time.
func (s *Shares) Acquire(patience time.Duration) bool {
	select {
	case s.processors <- struct{}{}:
		return true
	default:
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case s.processors <- struct{}{}:
		return true
	case <-timer.C:
		return false
	}
}

// Release gives back what Acquire took.
func (s *Shares) Release() { <-s.processors }

// call notes that a guest is called. Looking first leaves the cache line where
// it is.
func (s *Shares) call() {
	if s != nil && !s.called.Load() {
		s.called.Store(true)
	}
}

var (
	// ErrGone ends a call whose request is over.
	ErrGone = errors.New("nobody waits for the guest")
	// ErrBusy ends a call that has waited for a processor as long as it may.
	ErrBusy = errors.New("no processor became free in time: other guests run on")
)

// pause lets others have the processor after some slices, and ends a call for
// which nobody waits any more.
func (in *Instance) pause(slices int64) {
	if err := in.Request.Err(); err != nil {
		panic(fmt.Errorf("%w: %w", ErrGone, err))
	}
	m, shares := &in.meter, in.Filter.Shares
	switch {
	case shares == nil:
		runtime.Gosched()
	case !m.sharing:
		in.share()
	default:
		// Where nobody else is called nobody has to be let in.
		rest := min(time.Duration(slices)*restPerSlice, maxRest-m.rested)
		if rest <= 0 || !shares.called.Swap(false) {
			runtime.Gosched()
			return
		}
		m.rested += rest
		time.Sleep(rest)
	}
}

// share takes a processor for the rest of the call. Who waits longest is first.
func (in *Instance) share() {
	m, shares := &in.meter, in.Filter.Shares
	select {
	case shares.processors <- struct{}{}:
		m.sharing = true
		return
	default:
	}
	var late <-chan time.Time
	if in.Patience > 0 {
		timer := time.NewTimer(in.Patience - m.waited)
		defer timer.Stop()
		late = timer.C
	}
	begun := time.Now()
	select {
	case shares.processors <- struct{}{}:
		m.sharing = true
		m.waited += time.Since(begun)
	case <-in.Request.Done():
		panic(fmt.Errorf("%w: %w", ErrGone, in.Request.Err()))
	case <-late:
		panic(ErrBusy)
	}
}

// Waiting runs what may wait for somebody outside: a client's body, another
// server. A guest that has a processor gives it back meanwhile and takes one
// again afterwards, so that nobody gets around the others by waiting often.
func (in *Instance) Waiting(wait func()) {
	held := in.meter.sharing
	in.Rest()
	wait()
	if held {
		in.share()
	}
}

// Rest gives the processor back that the guest may have, at the end of a call.
func (in *Instance) Rest() {
	if in.meter.sharing {
		in.meter.sharing = false
		in.Filter.Shares.Release()
	}
}
