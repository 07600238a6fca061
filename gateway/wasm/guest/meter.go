package guest

import (
	"math"

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
// was instrumented to count it down (gateway/wasm/fuel).
type meter struct {
	counter api.MutableGlobal
	budget  uint64
	// owed is what the host has done for the guest and not yet taken from the
	// counter. Before there is a counter, all stays owed.
	owed      int64
	unmetered int64
	crossings uint32
}

// SetCounter gives the instance its module's counter. Until then the host's
// work alone is bounded, by units.
func (in *Instance) SetCounter(counter api.MutableGlobal) { in.meter.counter = counter }

// Refuel begins a call into the guest that may burn so many units and nest so
// many calls.
func (in *Instance) Refuel(units int64, depth int) {
	m := &in.meter
	m.budget, m.owed, m.crossings, m.unmetered = fuel.Budget(units, depth), 0, 0, units
	if m.counter != nil {
		m.counter.Set(m.budget)
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
		if m.owed > m.unmetered {
			panic(errFuel)
		}
		return
	}
	now := fuel.Charge(m.counter.Get(), m.owed)
	m.counter.Set(now)
	m.owed = 0
	if out, _ := fuel.Exhausted(now); out {
		panic(errFuel)
	}
}

// errFuel unwinds a host function; the host tells the reason by the counter.
const errFuel = Trap("out of fuel")

// Burnt returns the units that the call has burnt since Refuel, and how often
// it has called the host.
func (in *Instance) Burnt() (units int64, crossings uint32) {
	m := &in.meter
	if m.counter == nil {
		return m.owed, m.crossings
	}
	return fuel.Spent(m.budget, m.counter.Get()) + m.owed, m.crossings
}

// Exhausted reports which limit the call has run into.
func (in *Instance) Exhausted() (units, depth bool) {
	m := &in.meter
	if m.counter == nil {
		return m.owed > m.unmetered, false
	}
	return fuel.Exhausted(m.counter.Get())
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
