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

func (c *cache[V]) len() int {
	n := 0
	for i := range c.shards {
		c.shards[i].mu.RLock()
		n += len(c.shards[i].entries)
		c.shards[i].mu.RUnlock()
	}
	return n
}
