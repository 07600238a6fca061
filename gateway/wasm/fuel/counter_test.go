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
		left        int64
		after       int64 // set, and what is left then
		burnt, deep bool
	}{
		{name: "zero"},
		{name: "plenty", units: 1000, depth: 10, left: 1000, after: 1},
		{name: "all", units: 1000, depth: 10, left: 1000},
		{name: "one too many", units: 1000, depth: 10, left: 1000, after: -1, burnt: true},
		{name: "largest", units: math.MaxInt64, depth: math.MaxInt, left: fuel.MaxUnits, after: 7},
		{name: "least", units: 5, depth: 3, left: 5, after: -fuel.MaxUnits, burnt: true},
		{name: "negative budget", units: -1, depth: -1, after: -1, burnt: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			budget := fuel.Budget(c.units, c.depth)
			if left := fuel.Left(budget); left != c.left {
				t.Errorf("Left = %d, want %d", left, c.left)
			}
			now := fuel.SetLeft(budget, c.after)
			if left := fuel.Left(now); left != c.after {
				t.Errorf("Left = %d, want %d", left, c.after)
			}
			if burnt, deep := fuel.Exhausted(now); burnt != c.burnt || deep != c.deep {
				t.Errorf("Exhausted = %t, %t; want %t, %t", burnt, deep, c.burnt, c.deep)
			}
			if again := fuel.SetLeft(now, c.left); again != budget {
				t.Errorf("the depth has changed: %#x, want %#x", again, budget)
			}
		})
	}
}
