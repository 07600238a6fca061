package capability

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
)

// takeKeys counts so many new keys.
func takeKeys(l *Limiter, p *LimitPolicy, from, n int) {
	var states [filterv1.MaxLimitWindows]Limit
	var key [8]byte
	for i := range n {
		binary.LittleEndian.PutUint64(key[:], uint64(from+i))
		l.Take(context0, p, key[:], 1, states[:])
	}
}

// Whatever another filter counts, or another limit of the same one, a limit
// keeps its counts.
func TestLimiterPoliciesForgetOnlyTheirOwn(t *testing.T) {
	clock := &fakeTime{}
	l := NewLimiter(LimiterOptions{Now: clock.now, MaxKeys: 4096})
	victim := newPolicy(t, l, "per-ip", "", "", testWindow{5, time.Second, 5})
	other := newPolicy(t, l, "per-ip", "", "", testWindow{1, 24 * time.Hour, 1})
	evil := newPolicy(t, l, "evil", "", "", testWindow{1, 365 * 24 * time.Hour, 1})
	allowed := 0
	for i := range 20 {
		for range 5 {
			if status, _ := takeOne(t, l, victim, "192.0.2.9", 1); status == filterv1.StatusOK {
				allowed++
			}
		}
		takeKeys(l, evil, i*10_000, 10_000)
		takeKeys(l, other, i*10_000, 10_000)
	}
	if allowed != 5 {
		t.Errorf("%d allowed of 5 at once, with other limits flooded", allowed)
	}
	if n := evil.counts.keys(); n > 4096 || n < 2048 {
		t.Errorf("%d keys of 4096", n)
	}
}

// A key is forgotten with all its windows: one that is soon whole is no less
// counted for standing beside one that takes a day.
func TestLimiterForgetsKeysNotWindows(t *testing.T) {
	clock := &fakeTime{}
	l := NewLimiter(LimiterOptions{Now: clock.now, MaxKeys: 1024})
	p := newPolicy(t, l, "f", "", "", testWindow{5, time.Second, 5}, testWindow{1000, 24 * time.Hour, 1000})
	takeOne(t, l, p, "192.0.2.9", 5)
	takeKeys(l, p, 0, 10_000)
	if status, _ := takeOne(t, l, p, "192.0.2.9", 1); status != filterv1.StatusLimited {
		t.Errorf("the one that has taken most is forgotten first: %v", status)
	}
	// Those that are whole go before it, however many.
	clock.at += time.Minute
	takeOne(t, l, p, "192.0.2.9", 5)
	takeKeys(l, p, 10_000, 10_000)
	if status, _ := takeOne(t, l, p, "192.0.2.9", 1); status != filterv1.StatusLimited {
		t.Errorf("after a minute: %v", status)
	}
}

// A filter with many policies has no more memory than one with a few.
func TestLimiterPoliciesOfAFilterShareItsBudget(t *testing.T) {
	l := NewLimiter(LimiterOptions{MaxKeys: 4096})
	var all []*LimitPolicy
	for i := range 64 {
		p := newPolicy(t, l, "f", "", "", testWindow{1, 24 * time.Hour, int64(i + 1)})
		if i == 0 {
			takeKeys(l, p, 0, 10_000)
			if n := l.Keys(); n < 2048 || n > 4096 {
				t.Errorf("the only policy has %d keys of 4096", n)
			}
		}
		all = append(all, p)
	}
	for _, p := range all {
		takeKeys(l, p, 0, 10_000)
	}
	if n := l.Keys(); n > fullPolicies*4096 || n < 4096 {
		t.Errorf("64 policies have %d keys, want at most %d", n, fullPolicies*4096)
	}
	alone := newPolicy(t, l, "other", "", "", testWindow{1, 24 * time.Hour, 1})
	if n := alone.counts.perShard.Load(); n != 4096/limiterShards {
		t.Errorf("another filter's policy has %d keys in a shard", n)
	}
	runtime.KeepAlive(all)
}

// Counts go with the last policy that needs them, and not before.
func TestLimiterFreesWhatNobodyUses(t *testing.T) {
	l := NewLimiter(LimiterOptions{})
	old := newPolicy(t, l, "f", "", "", testWindow{1, 24 * time.Hour, 2})
	takeOne(t, l, old, "k", 1)
	runtime.GC()
	reloaded := newPolicy(t, l, "f", "", "deny", testWindow{1, 24 * time.Hour, 2})
	runtime.KeepAlive(old)
	for i := range 50 {
		gone := newPolicy(t, l, fmt.Sprint("gone", i%5), "", "", testWindow{1, 24 * time.Hour, int64(i + 1)})
		takeKeys(l, gone, 0, 10)
	}
	for range 500 {
		runtime.GC()
		l.books.mu.Lock()
		n := len(l.books.filters)
		l.books.mu.Unlock()
		if n == 1 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if len(l.books.filters) != 1 || l.Keys() != 1 {
		t.Errorf("%d filters, %d keys are left", len(l.books.filters), l.Keys())
	}
	if _, states := takeOne(t, l, reloaded, "k", 1); states[0].Remaining != 0 {
		t.Errorf("the reload has forgotten: %+v", states)
	}
}
