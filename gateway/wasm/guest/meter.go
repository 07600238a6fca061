package guest

import (
	"context"
	"math"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"gatehouse.example/gateway/wasm/fuel"
)

// What the host's work costs a guest, in units of fuel; measured so that a
// guest that does nothing else is stopped about as soon as one that computes.
const (
	// CrossingUnits is the price of calling any host function.
	CrossingUnits = 100
	// BytesPerUnit is how many bytes the host copies for one unit.
	BytesPerUnit = 8
	// settleUnits is how much a guest may owe before its counter is told: the
	// counter is behind two interface calls.
	settleUnits = 8 << 10
)

// meter counts what a guest burns. The counter is the guest's own: the module
// was instrumented to count it down (gateway/wasm/fuel), and to ask for more.
type meter struct {
	counter api.MutableGlobal
	// units is what the call may burn, kept the part of it that the counter has
	// not been given yet.
	units, kept int64
	// owed is what the host has done for the guest and not yet taken from the
	// counter. Before there is a counter, all stays owed.
	owed      int64
	crossings uint32
	sharing   bool
	// pausedAt are the units that were burnt at the last pause, rested is how
	// long the call has rested, waited how long the guest has waited for a
	// processor.
	pausedAt int64
	rested   time.Duration
	waited   time.Duration
}

// SetCounter gives the instance its module's counter. Until then the host's
// work alone is bounded, by units.
func (in *Instance) SetCounter(counter api.MutableGlobal) { in.meter.counter = counter }

// Refuel begins a call into the guest that may burn so many units and nest so
// many calls.
func (in *Instance) Refuel(units int64, depth int) {
	m := &in.meter
	slice := min(units, SliceUnits)
	m.units, m.kept, m.owed, m.crossings = units, units-slice, 0, 0
	m.pausedAt, m.rested, m.waited = 0, 0, 0
	in.Filter.Shares.call()
	if m.counter != nil {
		m.counter.Set(fuel.Budget(slice, depth))
	}
}

// Charge burns fuel for work that the host does at the guest's word. It traps
// where there is none left.
func (in *Instance) Charge(units int64) {
	if in.meter.owed += units; in.meter.owed >= settleUnits {
		in.settle()
	}
}

func (in *Instance) settle() {
	m := &in.meter
	if m.counter == nil {
		if m.owed > m.units {
			panic(ErrFuel)
		}
		return
	}
	in.slice(m.counter.Get())
}

// Refill gives the guest its next slice, for which the module asks. It traps
// where there is none, and where the guest's calls nest too deep.
func (in *Instance) Refill() {
	m := &in.meter
	if m.counter == nil {
		panic(ErrFuel) // of a start function, which is given all at once
	}
	now := m.counter.Get()
	if _, deep := fuel.Exhausted(now); deep {
		panic(errDepth)
	}
	in.slice(now)
}

// slice takes what is owed and gives the counter what is left of a slice, from
// what is left of the call's units. Where a whole one was burnt since the last
// pause, however often the host was called in between, others have their turn.
func (in *Instance) slice(now uint64) {
	m := &in.meter
	left := fuel.Left(now) + m.kept - m.owed
	unpaused := m.units - left - m.pausedAt
	slices := unpaused / SliceUnits
	if slices > 0 {
		m.pausedAt += unpaused
		unpaused = 0
	}
	given := min(left, SliceUnits-unpaused)
	m.owed, m.kept = 0, left-given
	m.counter.Set(fuel.SetLeft(now, given))
	if left < 0 {
		panic(ErrFuel)
	}
	if slices > 0 {
		in.pause(slices)
	}
}

// ErrFuel and errDepth unwind a host function; the host tells the reason by the
// counter, where there is one.
const (
	ErrFuel  = Trap("out of fuel")
	errDepth = Trap("calls nest too deep")
)

// Burnt returns the units that the call has burnt since Refuel, and how often
// it has called the host.
func (in *Instance) Burnt() (units int64, crossings uint32) {
	m := &in.meter
	if m.counter == nil {
		return m.owed, m.crossings
	}
	return m.units - m.kept - fuel.Left(m.counter.Get()) + m.owed, m.crossings
}

// Exhausted reports which limit the call has run into.
func (in *Instance) Exhausted() (units, depth bool) {
	m := &in.meter
	if m.counter == nil {
		return m.owed > m.units, false
	}
	units, depth = fuel.Exhausted(m.counter.Get())
	return units && m.kept <= 0, depth
}

// chargeBytes is Charge for copying n bytes.
func (in *Instance) chargeBytes(n uint32) { in.Charge(int64(n / BytesPerUnit)) }

// cross counts a call of a host function.
func (in *Instance) cross() {
	if in.meter.crossings < math.MaxUint32 {
		in.meter.crossings++
	}
	in.Charge(CrossingUnits)
}

// ExportRefill instantiates the import by which instrumented modules ask for
// their next slice.
func ExportRefill(ctx context.Context, runtime wazero.Runtime) error {
	refill := api.GoFunc(func(ctx context.Context, _ []uint64) { From(ctx).Refill() })
	_, err := runtime.NewHostModuleBuilder(fuel.RefillModule).NewFunctionBuilder().
		WithGoFunction(refill, nil, nil).Export(fuel.RefillName).Instantiate(ctx)
	return err
}
