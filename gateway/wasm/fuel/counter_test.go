package fuel_test

import (
	"math"
	"testing"

	"gatehouse.example/gateway/wasm/fuel"
)

func TestCounter(t *testing.T) {
	for _, c := range []struct {
		name        string
		units       int64
		depth       int
		charge      int64
		spent       int64
		burnt, deep bool
	}{
		{name: "zero"},
		{name: "plenty", units: 1000, depth: 10, charge: 999, spent: 999},
		{name: "all", units: 1000, depth: 10, charge: 1000, spent: 1000},
		{name: "one too many", units: 1000, depth: 10, charge: 1001, spent: 1001, burnt: true},
		{name: "far too many", units: 1000, charge: math.MaxInt64, spent: 1001, burnt: true},
		{name: "largest", units: math.MaxInt64, depth: math.MaxInt, charge: 7, spent: 7},
		{name: "negative budget", units: -1, depth: -1, charge: 1, spent: 1, burnt: true},
		{name: "negative charge", units: 5, charge: -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			budget := fuel.Budget(c.units, c.depth)
			now := fuel.Charge(budget, c.charge)
			if spent := fuel.Spent(budget, now); spent != c.spent {
				t.Errorf("Spent = %d, want %d", spent, c.spent)
			}
			if burnt, deep := fuel.Exhausted(now); burnt != c.burnt || deep != c.deep {
				t.Errorf("Exhausted = %t, %t; want %t, %t", burnt, deep, c.burnt, c.deep)
			}
			if again := fuel.Charge(now, 1); c.burnt && again != now {
				t.Errorf("an exhausted counter %#x was charged to %#x", now, again)
			}
		})
	}
}
