package capability

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
)

const (
	maxBurst     = 1_000_000_000
	maxPeriod    = 366 * 24 * time.Hour
	maxTolerance = math.MaxInt64 / 4
)

// Stores of a limit, and what counts while a shared one cannot be reached, as
// limit_policy names them.
const (
	storeLocal       = "local"
	storeRedis       = "redis"
	unavailableAllow = "allow"
	unavailableDeny  = "deny"
)

// LimitPolicy is a rate limit of one filter: windows that all apply. It is
// read only. What is counted for it lives as long as one that is equal.
type LimitPolicy struct {
	windows []limitWindow
	// counts are those in this process, of filter and windows; digest stands for
	// these everywhere.
	counts *limitCounts
	digest [sha256.Size]byte
	// shared is whether the count is the store's, else it is the limiter's own.
	shared      bool
	unavailable string
}

// Windows returns the number of windows.
func (p *LimitPolicy) Windows() int { return len(p.windows) }

// limitWindow is a window as both counters need it: the limiter counts times in
// nanoseconds, the script in Redis whole numbers that a double can hold.
type limitWindow struct {
	interval  int64 // nanoseconds between requests at the rate
	tolerance int64 // nanoseconds that a full burst is worth
	burst     uint32
	shared    sharedWindow
}

// sharedWindow counts in shares of a request: each takes unit of them, leak
// become free in each microsecond, room are there.
type sharedWindow struct{ leak, unit, room int64 }

type limitText struct {
	Windows []struct {
		Rate  int64 `json:"rate"`
		PerNS int64 `json:"per_ns"`
		Burst int64 `json:"burst"`
	} `json:"windows"`
	Store         string `json:"store"`
	OnUnavailable string `json:"on_unavailable"`
}

// Policy reads what a filter hands to limit_policy. Equal policies of filters
// of the same name share their counts, so that a reload forgets nothing; all
// others have their own.
//
// # Errors
//
// The path of the value that is wrong within the policy, and what it should be.
func (l *Limiter) Policy(filter string, text []byte) (*LimitPolicy, error) {
	var in limitText
	if err := decodePolicy(text, &in); err != nil {
		return nil, err
	}
	if n := len(in.Windows); n < 1 || n > filterv1.MaxLimitWindows {
		return nil, fmt.Errorf("windows: want 1 to %d, have %d", filterv1.MaxLimitWindows, n)
	}
	p := &LimitPolicy{unavailable: in.OnUnavailable}
	name := filter
	for i, w := range in.Windows {
		window, err := newLimitWindow(w.Rate, time.Duration(w.PerNS), w.Burst)
		if err != nil {
			return nil, fmt.Errorf("windows/%d/%w", i, err)
		}
		p.windows = append(p.windows, window)
		name += fmt.Sprintf("\x00%d/%d/%d", w.Rate, w.PerNS, w.Burst)
	}
	p.digest = sha256.Sum256([]byte(name))
	if err := l.place(p, in.Store); err != nil {
		return nil, err
	}
	p.counts = l.books.of(filter, name)
	return p, nil
}

// place says where the policy is counted.
func (l *Limiter) place(p *LimitPolicy, store string) error {
	switch p.unavailable {
	case "", storeLocal, unavailableAllow, unavailableDeny:
	default:
		return errors.New("on_unavailable: want local, allow or deny")
	}
	switch store {
	case "", storeLocal:
		return nil
	case storeRedis:
		if l.store == nil {
			return errors.New("store: redis needs gateway.redis_url in gatehouse.yaml (or GATEHOUSE_GATEWAY__REDIS_URL), which is not set")
		}
	default:
		return errors.New("store: want local or redis")
	}
	p.shared = true
	for i := range p.windows {
		if p.windows[i].shared.leak == 0 {
			return fmt.Errorf("windows/%d/per: a shared limit counts in microseconds: want a period of whole ones, a rate of at most one in each, and a burst that is smaller or divides better", i)
		}
	}
	return nil
}

func newLimitWindow(rate int64, period time.Duration, burst int64) (limitWindow, error) {
	switch {
	case rate < 1:
		return limitWindow{}, errors.New("rate: want at least 1")
	case period <= 0 || period > maxPeriod:
		return limitWindow{}, fmt.Errorf("per: want more than 0s, at most %s", maxPeriod)
	case burst < 1 || burst > maxBurst:
		return limitWindow{}, fmt.Errorf("burst: want 1 to %d", maxBurst)
	case rate > int64(period):
		return limitWindow{}, fmt.Errorf("rate: %d in %s is faster than one per nanosecond", rate, period)
	}
	w := limitWindow{interval: int64(period) / rate, burst: uint32(burst)}
	if w.interval > maxTolerance/burst {
		return limitWindow{}, fmt.Errorf("burst: %d at one in %s would take centuries to refill", burst, time.Duration(w.interval))
	}
	w.tolerance = w.interval * burst
	w.shared = shareWindow(rate, period, burst)
	return w, nil
}

// maxExact is the largest whole number below which a double, which is all that
// Lua counts with, holds every other; a bit is left for sums.
const maxExact = 1 << 52

// shareWindow returns the zero value where doubles could not count exactly.
func shareWindow(rate int64, period time.Duration, burst int64) sharedWindow {
	us := period.Microseconds()
	if us < rate || period%time.Microsecond != 0 {
		return sharedWindow{}
	}
	d := divisor(rate, us)
	w := sharedWindow{leak: rate / d, unit: us / d}
	if w.unit > maxExact/burst {
		return sharedWindow{}
	}
	w.room = w.unit * burst
	return w
}

func divisor(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// Limit is the state of one window after [Limiter.Take].
type Limit struct {
	// Allowed is false where this window does not allow the cost. Nothing was
	// taken from any window then.
	Allowed bool
	// Remaining is how many more are allowed now.
	Remaining uint32
	// Reset is the time until the whole burst is allowed again.
	Reset time.Duration
	// Retry is the time until this window would allow the same; [Never] where
	// the cost is larger than its burst.
	Retry time.Duration
}

// Never is the Retry of what no waiting makes possible.
const Never = time.Duration(math.MaxInt64)

// state is that of a window of which used nanoseconds are taken, after cost
// was added if all windows allow it.
func (w *limitWindow) state(used int64, cost uint32) (Limit, int64) {
	s := Limit{Remaining: w.remaining(used), Reset: time.Duration(used)}
	if cost > w.burst {
		s.Retry = Never
		return s, used
	}
	next := used + w.interval*int64(cost)
	if over := next - w.tolerance; cost > 0 && over > 0 {
		s.Retry = time.Duration(over)
		return s, used
	}
	s.Allowed = true
	return s, next
}

func (w *limitWindow) remaining(used int64) uint32 {
	if used >= w.tolerance {
		return 0
	}
	return uint32((w.tolerance - used) / w.interval)
}

// state is [limitWindow.state] in shares, of what was used before cost was
// added.
func (w *sharedWindow) state(used int64, cost, burst uint32) (Limit, int64) {
	s := Limit{Remaining: uint32(max(0, w.room-used) / w.unit), Reset: w.wait(used)}
	if cost > burst {
		s.Retry = Never
		return s, used
	}
	next := used + w.unit*int64(cost)
	if over := next - w.room; cost > 0 && over > 0 {
		s.Retry = w.wait(over)
		return s, used
	}
	s.Allowed = true
	return s, next
}

// wait is the time in which so many shares become free, rounded up.
func (w *sharedWindow) wait(shares int64) time.Duration {
	return time.Duration((shares+w.leak-1)/w.leak) * time.Microsecond
}
