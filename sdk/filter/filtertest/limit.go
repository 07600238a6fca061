package filtertest

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
)

// StoreDown makes the shared store of limits unreachable: limits with store:
// redis answer what their on_unavailable says. Without it they are counted in
// memory like all others. It works natively only.
func StoreDown() Option { return func(g *gateway) { g.storeDown = true } }

type limitPolicy struct {
	Windows []struct {
		Rate  int64 `json:"rate"`
		PerNS int64 `json:"per_ns"`
		Burst int64 `json:"burst"`
	} `json:"windows"`
	Store         string `json:"store"`
	OnUnavailable string `json:"on_unavailable"`

	arrival []map[string]time.Duration // per window
}

func (p *limitPolicy) check() error {
	if n := len(p.Windows); n < 1 || n > filterv1.MaxLimitWindows {
		return fmt.Errorf("windows: want 1 to %d, have %d", filterv1.MaxLimitWindows, n)
	}
	for i, w := range p.Windows {
		switch {
		case w.Rate < 1:
			return fmt.Errorf("windows/%d/rate: want at least 1", i)
		case w.PerNS < w.Rate:
			return fmt.Errorf("windows/%d/per: want more than 0s, and at least one nanosecond for each request", i)
		case w.Burst < 1:
			return fmt.Errorf("windows/%d/burst: want at least 1", i)
		}
	}
	switch p.Store {
	case "", "local", "redis":
	default:
		return errors.New("store: want local or redis")
	}
	switch p.OnUnavailable {
	case "", "local", "allow", "deny":
	default:
		return errors.New("on_unavailable: want local, allow or deny")
	}
	return nil
}

// LimitPolicy implements host.Capabilities.
func (g *gateway) LimitPolicy(text []byte) int32 {
	var p limitPolicy
	if err := json.Unmarshal(text, &p); err != nil {
		return -int32(g.refuse(filterv1.StatusBadArgument, err.Error()))
	}
	if err := p.check(); err != nil {
		return -int32(g.refuse(filterv1.StatusBadArgument, err.Error()))
	}
	for range p.Windows {
		p.arrival = append(p.arrival, map[string]time.Duration{})
	}
	g.limits = append(g.limits, p)
	return int32(len(g.limits) - 1)
}

// LimitTake implements host.Capabilities: from every window or from none.
func (g *gateway) LimitTake(policy int32, key []byte, cost uint32, result []byte) filterv1.Status {
	if policy < 0 || int(policy) >= len(g.limits) {
		return g.refuse(filterv1.StatusBadArgument, "unknown limit")
	}
	p := &g.limits[policy]
	if g.storeDown && p.Store == "redis" {
		switch p.OnUnavailable {
		case "deny":
			return g.refuse(filterv1.StatusUnavailable, "the shared store of limits cannot be reached")
		case "allow":
			for i, w := range p.Windows {
				putLimit(result, i, w.Burst, 0, 0)
			}
			return filterv1.StatusOK
		}
	}
	status := filterv1.StatusOK
	over := make([]time.Duration, len(p.Windows))
	for i, w := range p.Windows {
		interval := time.Duration(w.PerNS / w.Rate)
		used := max(0, p.arrival[i][string(key)]-g.now)
		switch {
		case int64(cost) > w.Burst:
			over[i] = math.MaxInt64
		case cost > 0:
			over[i] = max(0, used+interval*time.Duration(cost)-interval*time.Duration(w.Burst))
		}
		if over[i] > 0 {
			status = filterv1.StatusLimited
		}
	}
	for i, w := range p.Windows {
		interval := time.Duration(w.PerNS / w.Rate)
		used := max(0, p.arrival[i][string(key)]-g.now)
		if status == filterv1.StatusOK && cost > 0 {
			used += interval * time.Duration(cost)
			p.arrival[i][string(key)] = g.now + used
		}
		putLimit(result, i, int64((interval*time.Duration(w.Burst)-used)/interval), used, over[i])
	}
	return status
}

func putLimit(result []byte, window int, remaining int64, reset, retry time.Duration) {
	r := result[window*filterv1.LimitResultSize:]
	binary.LittleEndian.PutUint32(r[0:], uint32(remaining))
	binary.LittleEndian.PutUint32(r[4:], uint32(milliseconds(reset)))
	binary.LittleEndian.PutUint32(r[8:], uint32(milliseconds(retry)))
}

// milliseconds rounds up.
func milliseconds(d time.Duration) int64 {
	ms := int64(d / time.Millisecond)
	if d%time.Millisecond > 0 {
		ms++
	}
	return min(ms, math.MaxUint32)
}
