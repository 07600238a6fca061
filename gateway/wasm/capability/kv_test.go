package capability

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
)

// vectors is where the kit for authors of filters finds the same tables.
const vectors = "../../../pluginspec/filter/v1/testdata/"

func readVectors(t *testing.T, file string, to any) {
	t.Helper()
	text, err := os.ReadFile(vectors + file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, to); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

type kvStep struct {
	AdvanceMS  int64 `json:"advance_ms"`
	Do         string
	Key        string
	KeyBytes   int `json:"key_bytes"`
	Value      string
	ValueBytes int   `json:"value_bytes"`
	TTL        int64 `json:"ttl_ms"`
	Delta, Sum int64
	Status     string
}

func (s *kvStep) texts() (key, value string) {
	key, value = s.Key, s.Value
	if s.KeyBytes > 0 {
		key = strings.Repeat(key, s.KeyBytes)
	}
	if s.ValueBytes > 0 {
		value = strings.Repeat(value, s.ValueBytes)
	}
	return key, value
}

// ttl is as gateway/wasm/extension makes it of the guest's milliseconds.
func (s *kvStep) ttl() time.Duration {
	if s.TTL > 1<<62/int64(time.Millisecond) {
		return 1<<63 - 1
	}
	return time.Duration(max(s.TTL, -1)) * time.Millisecond
}

func refusedWith(r *Refusal) filterv1.Status {
	if r == nil {
		return filterv1.StatusOK
	}
	return r.Status
}

func TestKVVectors(t *testing.T) {
	var tables []struct {
		Name  string
		Bytes int64
		Steps []kvStep
	}
	readVectors(t, "kv.json", &tables)
	for _, table := range tables {
		t.Run(table.Name, func(t *testing.T) {
			now := time.Now()
			kv := NewKVStores(func() time.Time { return now }).Of("f", table.Bytes)
			for i, s := range table.Steps {
				now = now.Add(time.Duration(s.AdvanceMS) * time.Millisecond)
				key, value := s.texts()
				var status filterv1.Status
				switch s.Do {
				case "get":
					got, ok := kv.Get(nil, []byte(key))
					if !ok {
						status = filterv1.StatusAbsent
					} else if string(got) != value {
						t.Errorf("step %d: value %.40q of %d bytes", i, got, len(got))
					}
				case "put":
					status = refusedWith(kv.Put([]byte(key), []byte(value), s.ttl()))
				case "delete":
					status = refusedWith(kv.Delete([]byte(key)))
				case "incr":
					sum, refusal := kv.Incr([]byte(key), s.Delta, s.ttl())
					if status = refusedWith(refusal); sum != s.Sum {
						t.Errorf("step %d: sum %d", i, sum)
					}
				}
				if status.String() != s.Status {
					t.Errorf("step %d, %s %.20q: %s, want %s", i, s.Do, key, status, s.Status)
				}
			}
		})
	}
}

// TestKVStaysWithinItsBound does what filters may do, at random.
func TestKVStaysWithinItsBound(t *testing.T) {
	const bound = 20_000
	now := time.Now()
	kv := NewKVStores(func() time.Time { return now }).Of("f", bound)
	random := rand.New(rand.NewPCG(1, 2))
	for range 50_000 {
		key := fmt.Appendf(nil, "k%d", random.IntN(400))
		ttl := time.Duration(random.IntN(3)) * time.Duration(random.IntN(1000)) * time.Millisecond
		switch random.IntN(6) {
		case 0:
			kv.Delete(key)
		case 1:
			_, _ = kv.Incr(key, 1, ttl)
		case 2:
			now = now.Add(time.Millisecond)
		default:
			if r := kv.Put(key, make([]byte, random.IntN(2000)), ttl); r != nil {
				t.Fatal(r)
			}
		}
		if kv.bytes > bound {
			t.Fatalf("%d bytes", kv.bytes)
		}
	}
	sum := int64(0)
	for i, e := range kv.order {
		sum += e.size()
		if e.index != i || kv.entries[e.key] != e || i > 0 && kv.order.Less(i, (i-1)/2) {
			t.Fatalf("entry %d is out of order", i)
		}
	}
	if sum != kv.Bytes() || len(kv.order) != kv.Len() || kv.Len() < 5 {
		t.Errorf("counts %d bytes, has %d, in %d of %d entries", kv.Bytes(), sum, len(kv.order), kv.Len())
	}
}

func TestKVCountsAtomically(t *testing.T) {
	kv := NewKVStores(nil).Of("f", 0)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				if _, r := kv.Incr([]byte("n"), 1, time.Hour); r != nil {
					t.Error(r)
				}
			}
		})
	}
	wg.Wait()
	if v, _ := kv.Get(nil, []byte("n")); string(v) != "8000" {
		t.Errorf("counted %s", v)
	}
}

func TestKVBelongsToTheFiltersName(t *testing.T) {
	stores := NewKVStores(nil)
	old := stores.Of("f", 1000)
	old.Put([]byte("a"), []byte("one"), 0)
	old.Put([]byte("b"), make([]byte, 500), 0)
	again := stores.Of("f", 200)
	if _, ok := again.Get(nil, []byte("b")); !ok {
		t.Error("to look at the store is enough to make it smaller")
	}
	again.Resize(200)
	if v, ok := again.Get(nil, []byte("b")); ok {
		t.Errorf("a smaller bound leaves %d bytes", len(v))
	}
	again.Put([]byte("c"), []byte("two"), 0)
	if v, ok := old.Get(nil, []byte("c")); !ok || string(v) != "two" {
		t.Errorf("old and new do not share: %q, %v", v, ok)
	}
	if _, ok := stores.Of("g", 0).Get(nil, []byte("c")); ok {
		t.Error("filters of different names share")
	}
	runtime.KeepAlive(again)
	old, again = nil, nil
	for range 20 {
		runtime.GC()
		if p := stores.stores["f"]; p.Value() == nil {
			stores.Of("h", 0)
			if _, there := stores.stores["f"]; there {
				t.Error("the name of a freed store is kept")
			}
			return
		}
	}
	t.Error("a store that no filter uses is not freed")
}

func TestKVReadsAndCountsWithoutAllocating(t *testing.T) {
	kv := NewKVStores(nil).Of("f", 0)
	key, number, scratch := []byte("a"), []byte("n"), make([]byte, 0, 64)
	kv.Put(key, make([]byte, 1000), time.Hour)
	if n := testing.AllocsPerRun(100, func() {
		kv.Get(scratch, key)
		_, _ = kv.Incr(number, 1, time.Hour)
		kv.Get(scratch, number)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkKV(b *testing.B) {
	for name, do := range map[string]func(*KV, []byte){
		"get":  func(kv *KV, key []byte) { kv.Get(nil, key) },
		"incr": func(kv *KV, key []byte) { _, _ = kv.Incr(key, 1, time.Hour) },
		"put":  func(kv *KV, key []byte) { kv.Put(key, key, time.Hour) },
	} {
		b.Run(name, func(b *testing.B) {
			kv := NewKVStores(nil).Of("f", 0)
			keys := make([][]byte, 1000)
			for i := range keys {
				keys[i] = fmt.Appendf(nil, "key-%d", i)
				do(kv, keys[i])
			}
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					do(kv, keys[i%1000])
				}
			})
		})
	}
}
