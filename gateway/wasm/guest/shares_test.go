package guest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tetratelabs/wazero/api"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/wasm/fuel"
)

// counterGlobal is a guest's counter without a guest.
type counterGlobal struct {
	api.MutableGlobal
	value uint64
}

func (g *counterGlobal) Get() uint64  { return g.value }
func (g *counterGlobal) Set(v uint64) { g.value = v }

// burn is what a guest does: the module asks for more where it has used up
// what it has.
func (g *counterGlobal) burn(in *Instance, units int64) {
	for units > 0 {
		n := min(units, fuel.Left(g.value)+1)
		g.value = fuel.SetLeft(g.value, fuel.Left(g.value)-n)
		if units -= n; fuel.Left(g.value) < 0 {
			in.Refill()
		}
	}
}

// runner is an instance that burns what tests say.
type runner struct {
	*Instance
	counter *counterGlobal
}

func newRunner(ctx context.Context, shares *Shares, units int64) *runner {
	r := &runner{newTestInstance(time.Hour), &counterGlobal{}}
	r.Filter.Shares = shares
	r.SetCounter(r.counter)
	r.Begin(ctx, &exchange.Exchange{})
	r.Refuel(units, 100)
	return r
}

// run burns units and returns what ended the call.
func (r *runner) run(units int64) error { return r.charged(units, 0) }

// charged is run, with work of the host before it.
func (r *runner) charged(units, host int64) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = p.(error)
		}
	}()
	r.Charge(host)
	r.counter.burn(r.Instance, units)
	return nil
}

func (s *Shares) taken() int { return len(s.processors) }

func TestLongGuestsFollowOneAnother(t *testing.T) {
	shares := NewShares(1)
	done := make(chan error)
	for range 2 {
		go func() {
			r := newRunner(t.Context(), shares, 100*SliceUnits)
			defer r.End()
			done <- r.run(50 * SliceUnits)
		}()
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// Every wait of a call gives the processor back, and the guest has it again
// afterwards.
func TestWhoWaitsHoldsNoProcessor(t *testing.T) {
	shares := NewShares(1)
	r := newRunner(t.Context(), shares, 100*SliceUnits)
	if err := r.run(2 * SliceUnits); err != nil || shares.taken() != 1 {
		t.Fatalf("%v, %d taken", err, shares.taken())
	}
	for range 3 {
		r.Waiting(func() {
			if shares.taken() != 0 {
				t.Error("a guest that waits holds a processor")
			}
			_ = r.HostContext().Done()
		})
		if err := r.run(2 * SliceUnits); err != nil || shares.taken() != 1 {
			t.Errorf("afterwards: %v, %d taken", err, shares.taken())
		}
	}
	r.End()
	if shares.taken() != 0 {
		t.Error("a processor is held after the call")
	}
}

// A guest that waits often does not run on without a processor.
func TestWaitingIsNoWayAroundOthers(t *testing.T) {
	shares := NewShares(1)
	r := newRunner(t.Context(), shares, 100*SliceUnits)
	if err := r.run(2 * SliceUnits); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r.Request = ctx
	defer func() {
		if err, _ := recover().(error); !errors.Is(err, ErrGone) {
			t.Errorf("ran on: %v", err)
		}
	}()
	r.Waiting(func() {
		shares.Acquire(time.Second)
		cancel()
	})
	t.Error("ran on without a processor")
}

func TestNobodyWaitsForTheGuest(t *testing.T) {
	shares := NewShares(1)
	ctx, cancel := context.WithCancel(t.Context())
	r := newRunner(ctx, shares, 100*SliceUnits)
	if err := r.run(2 * SliceUnits); err != nil {
		t.Fatal(err)
	}
	waiting := newRunner(ctx, shares, 100*SliceUnits)
	ended := make(chan error)
	go func() { ended <- waiting.run(2 * SliceUnits) }()
	time.Sleep(10 * time.Millisecond)
	cancel()
	if err := <-ended; !errors.Is(err, ErrGone) {
		t.Errorf("in line: %v", err)
	}
	if err := r.run(2 * SliceUnits); !errors.Is(err, ErrGone) {
		t.Errorf("running: %v", err)
	}
	r.Rest()
	if shares.taken() != 0 {
		t.Error("a processor is held")
	}
}

func TestPatienceEnds(t *testing.T) {
	shares := NewShares(1)
	shares.Acquire(0)
	r := newRunner(t.Context(), shares, 100*SliceUnits)
	r.Patience = 20 * time.Millisecond
	if err := r.run(2 * SliceUnits); !errors.Is(err, ErrBusy) {
		t.Errorf("error %v", err)
	}
	if shares.Acquire(time.Millisecond) {
		t.Error("acquired what is taken")
	}
}

// However often the host is called in between, a guest pauses after each slice.
func TestHostCallsDoNotPutPausesOff(t *testing.T) {
	for _, step := range []int64{100, settleUnits, 3 * SliceUnits / 4, SliceUnits - 1} {
		ctx, cancel := context.WithCancel(t.Context())
		r := newRunner(ctx, NewShares(1), 1000*SliceUnits)
		for r.meter.pausedAt == 0 {
			if err := r.run(step); err != nil {
				t.Fatal(err)
			}
			r.Charge(settleUnits)
		}
		cancel()
		before, _ := r.Burnt()
		for n := 0; r.charged(step, settleUnits) == nil && n < 1_000_000; n++ {
		}
		if burnt, _ := r.Burnt(); burnt-before > SliceUnits+2*settleUnits {
			t.Errorf("in steps of %d: %d units without a pause", step, burnt-before)
		}
	}
}
