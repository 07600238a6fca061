package capability

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
)

type fakeTime struct{ at time.Duration }

func (f *fakeTime) now() time.Duration { return f.at }

func TestLimiterFollowsGCRA(t *testing.T) {
	clock := &fakeTime{}
	l := NewLimiter(LimiterOptions{Now: clock.now})
	p, err := l.window("f", 10, time.Second, 3)
	if err != nil {
		t.Fatal(err)
	}
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
		{time.Hour, 4, Limit{false, 3, 0, 3 * step}},
	} {
		clock.at += want.advance
		if got := l.take(p, []byte("k"), want.cost); got != want.limit {
			t.Errorf("step %d: %+v, want %+v", i, got, want.limit)
		}
	}
	other, _ := l.window("g", 10, time.Second, 3)
	if got := l.take(other, []byte("k"), 1); got.Remaining != 2 {
		t.Errorf("filters share a count: %+v", got)
	}
}

func TestLimiterIsAtomic(t *testing.T) {
	clock := &fakeTime{}
	l := NewLimiter(LimiterOptions{Now: clock.now})
	p, err := l.window("f", 1, time.Hour, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var allowed atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				if l.take(p, []byte("k"), 1).Allowed {
					allowed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if allowed.Load() != 1000 {
		t.Errorf("%d allowed, want exactly 1000", allowed.Load())
	}
}

func TestLimiterIsBounded(t *testing.T) {
	l := NewLimiter(LimiterOptions{MaxKeys: 1024})
	p, err := l.window("f", 1, time.Hour, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50_000 {
		l.take(p, binary.AppendUvarint(nil, uint64(i)), 1)
	}
	if n := l.Keys(); n > 1024 {
		t.Errorf("%d keys", n)
	}
}

func TestLimiterPolicyBounds(t *testing.T) {
	l := NewLimiter(LimiterOptions{})
	for _, c := range []struct {
		rate  int64
		per   time.Duration
		burst int64
		ok    bool
	}{
		{1, time.Second, 1, true},
		{1_000_000, time.Second, 1_000_000, true},
		{0, time.Second, 1, false}, {-1, time.Second, 1, false},
		{1, 0, 1, false}, {1, -1, 1, false}, {1, 400 * 24 * time.Hour, 1, false},
		{1, time.Second, 0, false}, {1, time.Second, 2_000_000_000, false},
		{2_000_000_000, time.Second, 1, false},
		{1, 365 * 24 * time.Hour, 1_000_000_000, false},
	} {
		if _, err := l.window("f", c.rate, c.per, c.burst); (err == nil) != c.ok {
			t.Errorf("%+v: error %v", c, err)
		}
	}
}

func TestCacheIsBoundedAndEnds(t *testing.T) {
	c := newCache[int](64)
	key := func(i int) (k [32]byte) {
		binary.LittleEndian.PutUint32(k[:], uint32(i))
		return k
	}
	for i := range 10_000 {
		c.put(key(i), i, 0, 100)
	}
	if n := c.len(); n > 64 {
		t.Errorf("%d entries", n)
	}
	k := key(77)
	c.put(k, 77, 0, 100)
	if v, ok := c.get(&k, 99); !ok || v != 77 {
		t.Errorf("before its end: %d, %v", v, ok)
	}
	if _, ok := c.get(&k, 100); ok {
		t.Error("there at its end")
	}
	c.put(k, 78, 200, 100)
	if v, _ := c.get(&k, 50); v != 77 {
		t.Error("a value that has ended was stored")
	}
}

type answers struct {
	calls atomic.Int64
	fn    func(key string) (APIKey, error)
}

func (a *answers) VerifyAPIKey(_ context.Context, key string) (APIKey, error) {
	a.calls.Add(1)
	return a.fn(key)
}

func keyText(secret string) string {
	body := "gatehouse_dev_0197a0aa000070008000000000000001_" + secret
	return body + fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(body)))
}

func TestWellFormed(t *testing.T) {
	good := keyText("SECRET")
	for key, want := range map[string]bool{
		good:                               true,
		good[:len(good)-1]:                 false,
		good + "0":                         false,
		"x" + good:                         false,
		"":                                 false,
		"gatehouse_":                       false,
		"gatehouse_dev_id_secret":          false,
		keyText(""):                        false,
		keyText(string(make([]byte, 300))): false,
	} {
		if wellFormed(key, "") != want {
			t.Errorf("%q: %v", key, !want)
		}
	}
	if wellFormed(good, "prod") || !wellFormed(good, "dev") {
		t.Error("the environment is not compared")
	}
}

func TestKeyVerifierRemembers(t *testing.T) {
	now := time.Now()
	expires := now.Add(10 * time.Second)
	authority := &answers{fn: func(string) (APIKey, error) {
		return APIKey{ID: "k", OwnerKind: "user", OwnerID: "u", ExpiresAt: expires}, nil
	}}
	v := NewKeyVerifier(KeyOptions{Authority: authority, Now: func() time.Time { return now }})
	verify := func() filterv1.Status {
		_, refusal := v.Verify(t.Context(), &KeyPolicy{}, keyText("SECRET"))
		if refusal == nil {
			return filterv1.StatusOK
		}
		return refusal.Status
	}
	for range 3 {
		if s := verify(); s != filterv1.StatusOK {
			t.Fatal(s)
		}
	}
	if n := authority.calls.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	now = expires
	if s := verify(); s != filterv1.StatusExpired {
		t.Errorf("at its end: %s", s)
	}
}

type following struct {
	nothingRevoked
	connected bool
}

func (f *following) Connected() bool { return f.connected }

func TestKeyVerifierAsksWhileDisconnected(t *testing.T) {
	list := &following{connected: true}
	authority := &answers{fn: func(string) (APIKey, error) { return APIKey{ID: "k", OwnerID: "u"}, nil }}
	v := NewKeyVerifier(KeyOptions{Authority: authority, Revocations: list})
	for range 3 {
		v.Verify(t.Context(), &KeyPolicy{}, keyText("SECRET"))
	}
	list.connected = false
	for range 3 {
		v.Verify(t.Context(), &KeyPolicy{}, keyText("SECRET"))
	}
	if n := authority.calls.Load(); n != 4 {
		t.Errorf("asked %d times, want once while connected and three times after", n)
	}
}

func TestKeyVerifierAsksOnceForMany(t *testing.T) {
	release := make(chan struct{})
	authority := &answers{fn: func(string) (APIKey, error) {
		<-release
		return APIKey{}, fmt.Errorf("not there: %w", ErrKeyInvalid)
	}}
	v := NewKeyVerifier(KeyOptions{Authority: authority})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, refusal := v.Verify(t.Context(), &KeyPolicy{}, keyText("SECRET")); refusal == nil || refusal.Status != filterv1.StatusInvalid {
				t.Errorf("refusal %+v", refusal)
			}
		})
	}
	time.Sleep(20 * time.Millisecond)
	close(release)
	wg.Wait()
	// Late ones may have met the remembered answer; nobody asked in parallel.
	if n := authority.calls.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestKeyVerifierUnavailable(t *testing.T) {
	authority := &answers{fn: func(string) (APIKey, error) { return APIKey{}, errors.New("connection refused") }}
	v := NewKeyVerifier(KeyOptions{Authority: authority})
	for range 2 {
		if _, refusal := v.Verify(t.Context(), &KeyPolicy{}, keyText("SECRET")); refusal == nil || refusal.Status != filterv1.StatusUnavailable {
			t.Errorf("refusal %+v", refusal)
		}
	}
	if n := authority.calls.Load(); n != 2 {
		t.Error("an outage was remembered")
	}
}
