package guest

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
)

// SliceUnits is how much fuel a guest is given at a time, some 100 to 200
// microseconds: machine code cannot be interrupted, so a guest that runs on
// would keep its processor from everybody else, and the collector from all.
const SliceUnits = 200_000

const (
	// restPerSlice is how long a guest that runs on rests for each slice while
	// others are called: so the system has a processor for them at once.
	restPerSlice = 100 * time.Microsecond
	// maxRest bounds the rest of one call.
	maxRest = 5 * time.Millisecond
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

// Acquire takes a processor for work that is not a guest's.
func (s *Shares) Acquire() { s.processors <- struct{}{} }

// Release gives back what Acquire took.
func (s *Shares) Release() { <-s.processors }

// call notes that a guest is called. Looking first leaves the cache line where
// it is.
func (s *Shares) call() {
	if s != nil && !s.called.Load() {
		s.called.Store(true)
	}
}

// ErrGone ends a call whose request is over.
var ErrGone = errors.New("nobody waits for the guest")

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
		select {
		case shares.processors <- struct{}{}:
			m.sharing = true
		case <-in.Request.Done():
			panic(fmt.Errorf("%w: %w", ErrGone, in.Request.Err()))
		}
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

// unshare gives the processor back at the end of a call, and before it waits.
func (in *Instance) unshare() {
	if in.meter.sharing {
		in.meter.sharing = false
		in.Filter.Shares.Release()
	}
}

// Rest ends a call into the guest.
func (in *Instance) Rest() { in.unshare() }
