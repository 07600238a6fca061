package httpwasm

import (
	"fmt"
	"strings"
	"testing"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/wasm/guest"
)

// What filters add to a request is bounded, wherever they add it.
func TestRoomOfChanges(t *testing.T) {
	long := strings.Repeat("v", 32<<10)
	for _, row := range []struct {
		name string
		call func(c *caller, i int) error
		fits int
	}{
		{"fields", func(c *caller, i int) error {
			_, err := c.call("add_header_value", kindRequest, fmt.Sprint("x-", i), "v")
			return err
		}, exchange.MaxChanges},
		{"fields of the response", func(c *caller, i int) error {
			_, err := c.call("set_header_value", kindResponse, fmt.Sprint("x-", i), "v")
			return err
		}, exchange.MaxChanges},
		{"trailers", func(c *caller, i int) error {
			_, err := c.call("add_header_value", kindResponseTrailers, fmt.Sprint("x-", i), "v")
			return err
		}, exchange.MaxChanges},
		{"one field again and again", func(c *caller, _ int) error {
			_, err := c.call("set_header_value", kindRequest, "x", "v")
			return err
		}, exchange.MaxChanges},
		{"bytes", func(c *caller, _ int) error {
			_, err := c.call("add_header_value", kindRequest, "x", long[1:])
			return err
		}, exchange.MaxChangeBytes / len(long)},
		{"URI", func(c *caller, _ int) error { _, err := c.call("set_uri", "/"+long[1:]); return err }, exchange.MaxChangeBytes / len(long)},
		{"method", func(c *caller, _ int) error { _, err := c.call("set_method", long); return err }, exchange.MaxChangeBytes / len(long)},
		{"Host", func(c *caller, _ int) error {
			_, err := c.call("set_header_value", kindRequest, "Host", "h")
			return err
		}, exchange.MaxChanges},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := newCaller(t)
			c.in.Features |= FeatureTrailers
			for i := range row.fits {
				if err := row.call(c, i); err != nil {
					t.Fatalf("change %d of %d: %v", i+1, row.fits, err)
				}
			}
			if err := row.call(c, row.fits); err == nil || !strings.Contains(err.Error(), "than filters may make of one request: 512, with 262144 bytes") {
				t.Errorf("past the limit: %v", err)
			}
		})
	}
}

// The host looks at all fields: a guest pays for each, in proportion, and for
// what it has made, whether or not it has room for it.
func TestFieldsAreCharged(t *testing.T) {
	c := newCaller(t)
	name := strings.Repeat("n", 200)
	for i := range 1000 {
		c.ex.Request.Header.Add(fmt.Sprintf("%s%04d", name, i), "")
	}
	c.ex.Request.Header.Add("Big", strings.Repeat("v", 40_000))
	fields := int64(c.ex.Request.Header.Len())
	for _, row := range []struct {
		name, function string
		args           []any
		least          int64
	}{
		{"names", "get_header_names", []any{kindRequest, 0, 0}, 16*fields + 1000*204/guest.BytesPerUnit},
		{"values", "get_header_values", []any{kindRequest, name + "none", 0, 0}, fields * 25},
		{"a large value", "get_header_values", []any{kindRequest, "Big", 0, 0}, 40_000 / guest.BytesPerUnit},
		{"set", "set_header_value", []any{kindRequest, name + "none", "v"}, fields * 25},
		{"add", "add_header_value", []any{kindRequest, name + "more", "v"}, fields * 25},
		{"remove", "remove_header", []any{kindRequest, name + "gone"}, fields * 25},
	} {
		t.Run(row.name, func(t *testing.T) {
			c.in.Refuel(1<<30, 1)
			if _, err := c.call(row.function, row.args...); err != nil {
				t.Fatal(err)
			}
			if burnt, _ := c.in.Burnt(); burnt < row.least || burnt > row.least*3/2+1000 {
				t.Errorf("burnt %d units, want about %d", burnt, row.least)
			}
		})
	}
}

// Usual headers are listed without an allocation.
func TestNamesDoNotAllocate(t *testing.T) {
	c := newCaller(t)
	for i := range 12 {
		c.ex.Request.Header.Add(fmt.Sprint("Usual-Field-", i), "")
	}
	var names guest.Function
	for _, f := range functions() {
		if f.Name == "get_header_names" {
			names = f
		}
	}
	stack := make([]uint64, 3)
	if n := testing.AllocsPerRun(100, func() {
		stack[0], stack[1], stack[2] = kindRequest, 4000, 4000
		names.Call(c.in, c.mem, stack)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
