package main

import (
	"errors"
	"strconv"
	"strings"

	"gatehouse.example/sdk/filter"
)

// costs says what a request takes.
type costs struct {
	usual   uint32
	special []Cost
}

// parseCosts refuses what no window could ever allow.
func parseCosts(c Config, l *filter.Limit) (costs, error) {
	most := l.Most()
	tooMuch := func(at string, cost uint32) error {
		if cost <= most {
			return nil
		}
		return errors.New(at + ": want at most " + strconv.FormatUint(uint64(most), 10) + ", the smallest burst; else such a request is never allowed")
	}
	if err := tooMuch("config/cost", c.Cost); err != nil {
		return costs{}, err
	}
	for i, special := range c.Costs {
		at := "config/costs/" + strconv.Itoa(i)
		if err := tooMuch(at+"/cost", special.Cost); err != nil {
			return costs{}, err
		}
		for j, path := range special.Paths {
			if !strings.HasPrefix(path, "/") || strings.Contains(strings.TrimSuffix(path, "*"), "*") {
				return costs{}, errors.New(at + "/paths/" + strconv.Itoa(j) + ": want a path like /v1/search, or its beginning like /v1/*")
			}
		}
	}
	return costs{c.Cost, c.Costs}, nil
}

// of returns the cost of a request.
func (c *costs) of(r *filter.Request) uint32 {
	for i := range c.special {
		if s := &c.special[i]; matchesMethod(s.Methods, r) && matchesPath(s.Paths, r) {
			return s.Cost
		}
	}
	return c.usual
}

func matchesMethod(methods []string, r *filter.Request) bool {
	for _, m := range methods {
		if m == r.Method() {
			return true
		}
	}
	return len(methods) == 0
}

func matchesPath(paths []string, r *filter.Request) bool {
	for _, p := range paths {
		beginning, open := strings.CutSuffix(p, "*")
		if path := r.Path(); path == p || open && strings.HasPrefix(path, beginning) {
			return true
		}
	}
	return len(paths) == 0
}
