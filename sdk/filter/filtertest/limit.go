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

// The gateway's bounds of a limit; limit.json of pluginspec holds both to them.
const (
	maxPolicies  = 64
	maxBurst     = 1_000_000_000
	maxPeriod    = 366 * 24 * time.Hour
	maxTolerance = math.MaxInt64 / 4
	maxExact     = 1 << 52
)

type limitPolicy struct {
	Windows       []limitWindow `json:"windows"`
	Store         string        `json:"store"`
	OnUnavailable string        `json:"on_unavailable"`

	arrival []map[string]time.Duration // per window
}

type limitWindow struct {
	Rate  int64 `json:"rate"`
	PerNS int64 `json:"per_ns"`
	Burst int64 `json:"burst"`
}

func (w limitWindow) interval() time.Duration { return time.Duration(w.PerNS / w.Rate) }

// check is in the gateway's order, so that both name the same field first.
func (p *limitPolicy) check() error {
	if n := len(p.Windows); n < 1 || n > filterv1.MaxLimitWindows {
		return fmt.Errorf("windows: want 1 to %d, have %d", filterv1.MaxLimitWindows, n)
	}
	for i, w := range p.Windows {
		if err := w.check(); err != nil {
			return fmt.Errorf("windows/%d/%w", i, err)
		}
	}
	switch p.OnUnavailable {
	case "", "local", "allow", "deny":
	default:
		return errors.New("on_unavailable: want local, allow or deny")
	}
	switch p.Store {
	case "", "local":
		return nil
	case "redis":
	default:
		return errors.New("store: want local or redis")
	}
	for i, w := range p.Windows {
		if !w.shares() {
			return fmt.Errorf("windows/%d/per: a shared limit counts in microseconds: want a period of whole ones, a rate of at most one in each, and a burst that is smaller or divides better", i)
		}
	}
	return nil
}

func (w limitWindow) check() error {
	switch period := time.Duration(w.PerNS); {
	case w.Rate < 1:
		return errors.New("rate: want at least 1")
	case period <= 0 || period > maxPeriod:
		return fmt.Errorf("per: want more than 0s, at most %s", maxPeriod)
	case w.Burst < 1 || w.Burst > maxBurst:
		return fmt.Errorf("burst: want 1 to %d", maxBurst)
	case w.Rate > w.PerNS:
		return fmt.Errorf("rate: %d in %s is faster than one per nanosecond", w.Rate, period)
	case w.PerNS/w.Rate > maxTolerance/w.Burst:
		return fmt.Errorf("burst: %d at one in %s would take centuries to refill", w.Burst, w.interval())
	}
	return nil
}

// shares reports whether a shared store can count the window exactly.
func (w limitWindow) shares() bool {
	us := w.PerNS / 1000
	if us < w.Rate || w.PerNS%1000 != 0 {
		return false
	}
	a, b := w.Rate, us
	for b != 0 {
		a, b = b, a%b
	}
	return us/a <= maxExact/w.Burst
}

// LimitPolicy implements host.Capabilities.
func (g *gateway) LimitPolicy(text []byte) int32 {
	var p limitPolicy
	if g.started || len(g.limits) == maxPolicies {
		return -int32(g.refuse(filterv1.StatusBadArgument, "policies are made in gatehouse_start, at most 64"))
	}
	if err := json.Unmarshal(text, &p); err != nil {
		return -int32(g.refuse(filterv1.StatusBadArgument, "read policy: "+err.Error()))
	}
	if err := p.check(); err != nil {
		return -int32(g.refuse(filterv1.StatusBadArgument, err.Error()))
	}
	p.arrival = g.arrival(&p)
	g.limits = append(g.limits, p)
	return int32(len(g.limits) - 1)
}

// arrival returns the counts of a policy, which equal ones share.
func (g *gateway) arrival(p *limitPolicy) []map[string]time.Duration {
	shared := p.Store == "redis"
	for i := range g.limits {
		other := &g.limits[i]
		if fmt.Sprint(other.Windows) == fmt.Sprint(p.Windows) && (g.storeDown || (other.Store == "redis") == shared) {
			return other.arrival
		}
	}
	counts := make([]map[string]time.Duration, len(p.Windows))
	for i := range counts {
		counts[i] = map[string]time.Duration{}
	}
	return counts
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
	return g.take(p, string(key), cost, result)
}

func (g *gateway) take(p *limitPolicy, key string, cost uint32, result []byte) filterv1.Status {
	status := filterv1.StatusOK
	over := make([]time.Duration, len(p.Windows))
	for i, w := range p.Windows {
		used := max(0, p.arrival[i][key]-g.now)
		switch {
		case int64(cost) > w.Burst:
			over[i] = math.MaxInt64
		case cost > 0:
			over[i] = max(0, used+w.interval()*time.Duration(cost)-w.interval()*time.Duration(w.Burst))
		}
		if over[i] > 0 {
			status = filterv1.StatusLimited
		}
	}
	for i, w := range p.Windows {
		used := max(0, p.arrival[i][key]-g.now)
		if status == filterv1.StatusOK && cost > 0 {
			used += w.interval() * time.Duration(cost)
			p.arrival[i][key] = g.now + used
		}
		remaining := max(0, (w.interval()*time.Duration(w.Burst)-used)/w.interval())
		putLimit(result, i, int64(remaining), used, over[i])
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
