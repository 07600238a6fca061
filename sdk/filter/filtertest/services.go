package filtertest

import (
	"errors"
	"math"
	"math/big"
	"strconv"
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
)

// services are what a filter remembers, counts and asks of others.
type services struct {
	entries  map[string]entry
	kvBytes  int
	puts     int
	counters map[string]float64
	remotes  []remote
	answer   []byte
}

type entry struct {
	value    string
	ends     time.Duration
	written  int
	isNumber bool
}

const never = time.Duration(math.MaxInt64)

func (e entry) size(key string) int {
	if e.isNumber {
		return len(key) + filterv1.KVNumberBytes + filterv1.KVEntryBytes
	}
	return len(key) + len(e.value) + filterv1.KVEntryBytes
}

// KVBytes bounds what the filter may remember, as limits.kv does; it is 1 MiB
// otherwise. It works natively only.
func KVBytes(n int) Option { return func(g *gateway) { g.kvBytes = n } }

// Counter returns what the filter has counted under a name; it fails the test
// where there is no such counter.
func (f *Filter) Counter(name string) float64 {
	f.t.Helper()
	v, ok := f.gateway.counters[name]
	if !ok {
		f.t.Fatalf("the filter has no counter %q", name)
	}
	return v
}

// SetKV puts a value into the filter's memory, as another instance would. It
// works natively only.
func (f *Filter) SetKV(key, value string) {
	f.t.Helper()
	f.gateway.nativeOnly("Filter.SetKV")
	if status := f.gateway.put(key, entry{value: value, ends: never}); status != filterv1.StatusOK {
		f.t.Fatalf("put %q: %s", key, status)
	}
}

// KV returns what the filter remembers under a key. It works natively only.
func (f *Filter) KV(key string) (string, bool) {
	f.t.Helper()
	f.gateway.nativeOnly("Filter.KV")
	e, ok := f.gateway.live(key)
	return e.value, ok
}

func (g *gateway) granted(name string) bool {
	if g.grants[name] {
		return true
	}
	g.lastError = "not granted: " + name
	return false
}

func (g *gateway) live(key string) (entry, bool) {
	e, ok := g.entries[key]
	return e, ok && e.ends > g.now
}

func (g *gateway) ending(ttl int64) time.Duration {
	if ttl == 0 || ttl > int64(never-g.now)/int64(time.Millisecond) {
		return never
	}
	return g.now + time.Duration(ttl)*time.Millisecond
}

func checkKey(key string, ttl int64) error {
	switch {
	case key == "":
		return errors.New("the key is empty")
	case ttl < 0:
		return errors.New("the time to live is negative")
	}
	return nil
}

// put makes room and puts an entry there.
func (g *gateway) put(key string, e entry) filterv1.Status {
	limit := g.kvBytes
	if limit == 0 {
		limit = 1 << 20
	}
	if len(key) > filterv1.MaxKVKeyBytes || len(e.value) > filterv1.MaxKVValueBytes || e.size(key) > limit {
		return g.refuse(filterv1.StatusTooLarge, "does not fit")
	}
	if g.entries == nil {
		g.entries = map[string]entry{}
	}
	delete(g.entries, key)
	for {
		used, first := e.size(key), ""
		for k, other := range g.entries {
			used += other.size(k)
			if f := g.entries[first]; first == "" || other.ends < f.ends || other.ends == f.ends && other.written < f.written {
				first = k
			}
		}
		if used <= limit {
			break
		}
		delete(g.entries, first)
	}
	g.puts++
	e.written = g.puts
	g.entries[key] = e
	return filterv1.StatusOK
}

// KVGet implements host.Services.
func (g *gateway) KVGet(key string, buf []byte) int {
	if !g.granted(filterv1.GrantKV) {
		return -int(filterv1.StatusNotGranted)
	}
	e, ok := g.live(key)
	if !ok {
		return -int(filterv1.StatusAbsent)
	}
	return put(buf, e.value)
}

// KVPut implements host.Services.
func (g *gateway) KVPut(key string, value []byte, ttl int64) filterv1.Status {
	if !g.granted(filterv1.GrantKV) {
		return filterv1.StatusNotGranted
	}
	if err := checkKey(key, ttl); err != nil {
		return g.refuse(filterv1.StatusBadArgument, err.Error())
	}
	return g.put(string([]byte(key)), entry{value: string(value), ends: g.ending(ttl)})
}

// KVDelete implements host.Services.
func (g *gateway) KVDelete(key string) filterv1.Status {
	if !g.granted(filterv1.GrantKV) {
		return filterv1.StatusNotGranted
	}
	if err := checkKey(key, 0); err != nil {
		return g.refuse(filterv1.StatusBadArgument, err.Error())
	}
	delete(g.entries, key)
	return filterv1.StatusOK
}

// KVIncr implements host.Services.
func (g *gateway) KVIncr(key string, delta, ttl int64) (int64, filterv1.Status) {
	if !g.granted(filterv1.GrantKV) {
		return 0, filterv1.StatusNotGranted
	}
	if err := checkKey(key, ttl); err != nil {
		return 0, g.refuse(filterv1.StatusBadArgument, err.Error())
	}
	number, ends := int64(0), g.ending(ttl)
	if e, ok := g.live(key); ok {
		var err error
		if number, err = strconv.ParseInt(e.value, 10, 64); err != nil {
			return 0, g.refuse(filterv1.StatusBadArgument, "the value is no decimal number")
		}
		ends = e.ends
	}
	sum := new(big.Int).Add(big.NewInt(number), big.NewInt(delta))
	if !sum.IsInt64() {
		return 0, g.refuse(filterv1.StatusBadArgument, "the sum overflows")
	}
	status := g.put(string([]byte(key)), entry{value: sum.String(), ends: ends, isNumber: true})
	if status != filterv1.StatusOK {
		return 0, status
	}
	return sum.Int64(), status
}

// MetricAdd implements host.Services.
func (g *gateway) MetricAdd(name string, delta float64) filterv1.Status {
	if !g.granted(filterv1.GrantMetrics) {
		return filterv1.StatusNotGranted
	}
	if !counterName(name) || !(delta >= 0) || math.IsInf(delta, 0) {
		return g.refuse(filterv1.StatusBadArgument, "a counter's name is 1 to 64 of a-z, 0-9 and underscore, and it grows by what is finite and not negative")
	}
	if _, ok := g.counters[name]; !ok && len(g.counters) >= filterv1.MaxMetrics {
		return g.refuse(filterv1.StatusTooLarge, "a filter has at most 64 counters")
	}
	if g.counters == nil {
		g.counters = map[string]float64{}
	}
	g.counters[string([]byte(name))] += delta
	return filterv1.StatusOK
}

func counterName(name string) bool {
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return name != "" && len(name) <= filterv1.MaxMetricNameBytes
}
