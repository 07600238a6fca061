package capability

import (
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
)

type fakeTime struct{ at time.Duration }

func (f *fakeTime) now() time.Duration { return f.at }

type testWindow struct {
	rate  int64
	per   time.Duration
	burst int64
}

func policyText(store, unavailable string, windows ...testWindow) []byte {
	text := `{"windows":[`
	for i, w := range windows {
		if i > 0 {
			text += ","
		}
		text += fmt.Sprintf(`{"rate":%d,"per_ns":%d,"burst":%d}`, w.rate, int64(w.per), w.burst)
	}
	return []byte(text + fmt.Sprintf(`],"store":%q,"on_unavailable":%q}`, store, unavailable))
}

func newPolicy(t testing.TB, l *Limiter, filter, store, unavailable string, windows ...testWindow) *LimitPolicy {
	t.Helper()
	p, err := l.Policy(filter, policyText(store, unavailable, windows...))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func takeOne(t testing.TB, l *Limiter, p *LimitPolicy, key string, cost uint32) (filterv1.Status, []Limit) {
	t.Helper()
	states := make([]Limit, p.Windows())
	return l.Take(t.Context(), p, []byte(key), cost, states), states
}

func TestLimiterFollowsGCRA(t *testing.T) {
	clock := &fakeTime{}
	l := NewLimiter(LimiterOptions{Now: clock.now})
	p := newPolicy(t, l, "f", "", "", testWindow{10, time.Second, 3})
	const step = 100 * time.Millisecond
	for i, want := range []struct {
		advance time.Duration
		cost    uint32
		limit   Limit
	}{
		{0, 1, Limit{true, 2, step, 0}},
		{0, 2, Limit{true, 0, 3 * step, 0}},
		{0, 1, Limit{false, 0, 3 * step, step}},
		{step / 2, 1, Limit{false, 0, 5 * step / 2, step / 2}},
		{step / 2, 1, Limit{true, 0, 3 * step, 0}},
		{2 * step, 0, Limit{true, 2, step, 0}},
		{0, 3, Limit{false, 2, step, step}},
		{time.Hour, 3, Limit{true, 0, 3 * step, 0}},
		{0, 0, Limit{true, 0, 3 * step, 0}},
		{time.Hour, 4, Limit{false, 3, 0, Never}},
	} {
		clock.at += want.advance
		if _, got := takeOne(t, l, p, "k", want.cost); got[0] != want.limit {
			t.Errorf("step %d: %+v, want %+v", i, got[0], want.limit)
		}
	}
	other := newPolicy(t, l, "g", "", "", testWindow{10, time.Second, 3})
	if _, got := takeOne(t, l, other, "k", 1); got[0].Remaining != 2 {
		t.Errorf("filters share a count: %+v", got)
	}
	again := newPolicy(t, l, "g", "", "deny", testWindow{10, time.Second, 3})
	if _, got := takeOne(t, l, again, "k", 1); got[0].Remaining != 1 {
		t.Errorf("equal policies of a filter do not share a count: %+v", got)
	}
}

// What one window refuses is taken from none.
func TestLimiterTakesFromAllWindowsOrNone(t *testing.T) {
	clock := &fakeTime{}
	l := NewLimiter(LimiterOptions{Now: clock.now})
	windowsAllOrNone(t, l, newPolicy(t, l, "f", "", "", testWindow{10, time.Second, 5}, testWindow{2, time.Minute, 2}, testWindow{100, time.Hour, 3}))
	clock.at += 30 * time.Second
	p := newPolicy(t, l, "f", "", "", testWindow{10, time.Second, 5}, testWindow{2, time.Minute, 2}, testWindow{100, time.Hour, 3})
	status, states := takeOne(t, l, p, "k", 1)
	if status != filterv1.StatusOK || states[0].Remaining != 4 || states[1].Remaining != 0 {
		t.Errorf("half a minute later: %v %+v", status, states)
	}
}

// windowsAllOrNone is for limits of 5, 2 and 3 at once.
func windowsAllOrNone(t *testing.T, l *Limiter, p *LimitPolicy) {
	t.Helper()
	remaining := func(states []Limit) string {
		return fmt.Sprint(states[0].Remaining, states[1].Remaining, states[2].Remaining)
	}
	for i, want := range []struct {
		cost      uint32
		status    filterv1.Status
		remaining string
		refusing  string // those that refuse
	}{
		{1, filterv1.StatusOK, "4 1 2", ""},
		{1, filterv1.StatusOK, "3 0 1", ""},
		{1, filterv1.StatusLimited, "3 0 1", "1"},
		{2, filterv1.StatusLimited, "3 0 1", "12"},
		{0, filterv1.StatusOK, "3 0 1", ""},
		{9, filterv1.StatusLimited, "3 0 1", "012"},
	} {
		status, states := takeOne(t, l, p, "k", want.cost)
		refusing := ""
		for j, s := range states {
			if s.Allowed != (s.Retry == 0) {
				t.Errorf("step %d: window %d: %+v", i, j, s)
			}
			if !s.Allowed {
				refusing += fmt.Sprint(j)
			}
		}
		if status != want.status || remaining(states) != want.remaining || refusing != want.refusing {
			t.Errorf("step %d: %v, remaining %s, refusing %q, want %+v", i, status, remaining(states), refusing, want)
		}
	}
}

// takeFromMany takes 1 with many goroutines and returns how many were allowed.
func takeFromMany(p *LimitPolicy, goroutines, each int, limiters ...*Limiter) int64 {
	var allowed atomic.Int64
	var wg sync.WaitGroup
	for _, l := range limiters {
		for range goroutines {
			wg.Go(func() {
				var states [filterv1.MaxLimitWindows]Limit
				for range each {
					if l.Take(context0, p, []byte("k"), 1, states[:]) == filterv1.StatusOK {
						allowed.Add(1)
					}
				}
			})
		}
	}
	wg.Wait()
	return allowed.Load()
}

func TestLimiterIsAtomic(t *testing.T) {
	clock := &fakeTime{}
	l := NewLimiter(LimiterOptions{Now: clock.now})
	p := newPolicy(t, l, "f", "", "", testWindow{1, time.Hour, 1000}, testWindow{1, time.Minute, 5000})
	if n := takeFromMany(p, 8, 500, l); n != 1000 {
		t.Errorf("%d allowed, want exactly 1000", n)
	}
	if _, states := takeOne(t, l, p, "k", 0); states[0].Remaining != 0 || states[1].Remaining != 4000 {
		t.Errorf("refused requests were taken from a window: %+v", states)
	}
}

func TestLimiterIsBounded(t *testing.T) {
	l := NewLimiter(LimiterOptions{MaxKeys: 1024})
	p := newPolicy(t, l, "f", "", "", testWindow{1, time.Hour, 1}, testWindow{1, time.Minute, 1}, testWindow{1, time.Minute, 2})
	states := make([]Limit, 3)
	for i := range 20_000 {
		l.Take(t.Context(), p, binary.AppendUvarint(nil, uint64(i)), 1, states)
	}
	if n := l.Keys(); n > 1024 || n < 512 {
		t.Errorf("%d keys", n)
	}
	// A key that stays is not forgotten for itself.
	small := NewLimiter(LimiterOptions{MaxKeys: 1})
	p = newPolicy(t, small, "f", "", "", testWindow{1, time.Hour, 2}, testWindow{1, time.Minute, 2})
	for range 2 {
		takeOne(t, small, p, "k", 1)
	}
	if status, _ := takeOne(t, small, p, "k", 1); status != filterv1.StatusLimited {
		t.Errorf("the third of two: %v", status)
	}
}

func TestLimiterAllocatesNothing(t *testing.T) {
	l := NewLimiter(LimiterOptions{})
	p := newPolicy(t, l, "f", "", "", testWindow{1_000_000, time.Second, 1_000_000}, testWindow{1_000_000, time.Hour, 1_000_000})
	states, key := make([]Limit, 2), []byte("a10.0.0.1")
	if n := testing.AllocsPerRun(1000, func() { l.Take(context0, p, key, 1, states) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestLimiterPolicyBounds(t *testing.T) {
	l := NewLimiter(LimiterOptions{Store: (*RedisLimits)(nil)})
	for _, c := range []struct {
		name, store string
		window      testWindow
		want        string
	}{
		{"least", "", testWindow{1, time.Second, 1}, ""},
		{"fast", "", testWindow{1_000_000, time.Second, 1_000_000}, ""},
		{"no rate", "", testWindow{0, time.Second, 1}, "windows/0/rate: want at least 1"},
		{"negative rate", "", testWindow{-1, time.Second, 1}, "windows/0/rate"},
		{"no period", "", testWindow{1, 0, 1}, "windows/0/per: want more than 0s"},
		{"negative period", "", testWindow{1, -1, 1}, "windows/0/per"},
		{"a long period", "", testWindow{1, 400 * 24 * time.Hour, 1}, "windows/0/per"},
		{"no burst", "", testWindow{1, time.Second, 0}, "windows/0/burst: want 1 to"},
		{"a large burst", "", testWindow{1, time.Second, 2_000_000_000}, "windows/0/burst"},
		{"too fast", "", testWindow{2_000_000_000, time.Second, 1}, "windows/0/rate"},
		{"centuries", "", testWindow{1, 365 * 24 * time.Hour, 1_000_000_000}, "windows/0/burst"},
		{"unknown store", "memcached", testWindow{1, time.Second, 1}, "store: want local or redis"},
		{"shared", "redis", testWindow{100, time.Second, 200}, ""},
		{"shared, a month", "redis", testWindow{100_000, 30 * 24 * time.Hour, 100_000}, ""},
		{"shared, too fast", "redis", testWindow{2_000_000, time.Second, 1}, "windows/0/per: a shared limit"},
		{"shared, no whole microseconds", "redis", testWindow{1, 1500, 1}, "windows/0/per: a shared limit"},
		{"shared, too large", "redis", testWindow{999_983, 366 * 24 * time.Hour, 1_000_000}, "windows/0/per: a shared limit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := l.Policy("f", policyText(c.store, "", c.window))
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
	for text, want := range map[string]string{
		`{`:              "read policy: unexpected end of JSON input",
		`{"windows":[]}`: "windows: want 1 to 8, have 0",
		`{"windows":[{"rate":1,"per_ns":1,"burst":1}],"on_unavailable":"x"}`: "on_unavailable: want local, allow or deny",
	} {
		if _, err := l.Policy("f", []byte(text)); err == nil || err.Error() != want {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
	if _, err := NewLimiter(LimiterOptions{}).Policy("f", policyText("redis", "", testWindow{1, time.Second, 1})); err == nil || !strings.Contains(err.Error(), "gateway.redis_url") {
		t.Errorf("redis without a store: error %v", err)
	}
}

// Both ways of counting agree on every state.
func TestSharedWindowsCountLikeLocalOnes(t *testing.T) {
	w, err := newLimitWindow(10, time.Second, 3)
	if err != nil {
		t.Fatal(err)
	}
	for used := int64(0); used <= 300_000; used += 50_000 {
		for cost := range uint32(5) {
			local, _ := w.state(used*1000, cost)
			shared, _ := w.shared.state(used*w.shared.leak, cost, w.burst)
			if diff := cmp.Diff(local, shared); diff != "" {
				t.Errorf("used %d µs, cost %d (-local +shared):\n%s", used, cost, diff)
			}
		}
	}
}
