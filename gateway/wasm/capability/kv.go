package capability

import (
	"container/heap"
	"errors"
	"math"
	"strconv"
	"sync"
	"time"
	"weak"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
)

// DefaultKVBytes is what a filter may remember where nothing else is said.
const DefaultKVBytes = 1 << 20

// KVStores keeps what filters remember, by the filter's name: a filter that is
// built anew finds what its predecessor has left. What no filter uses any more
// is freed. It is safe for concurrent use.
type KVStores struct {
	now func() time.Time

	mu     sync.Mutex
	stores map[string]weak.Pointer[KV]
}

// NewKVStores returns an empty collection. now is the clock; nil means
// time.Now.
func NewKVStores(now func() time.Time) *KVStores {
	if now == nil {
		now = time.Now
	}
	return &KVStores{now: now, stores: make(map[string]weak.Pointer[KV])}
}

// Of returns the store of a filter. Where there is none yet, it is made, of at
// most maxBytes; zero means DefaultKVBytes. One that is there keeps its bound
// until [KV.Resize].
func (s *KVStores) Of(filter string, maxBytes int64) *KV {
	s.mu.Lock()
	defer s.mu.Unlock()
	if kv := s.stores[filter].Value(); kv != nil {
		return kv
	}
	for name, p := range s.stores {
		if p.Value() == nil {
			delete(s.stores, name)
		}
	}
	kv := newKV(maxBytes, s.now)
	s.stores[filter] = weak.Make(kv)
	return kv
}

// KV is what one filter remembers: a bounded map from keys to values with a
// time to live. It is safe for concurrent use, and each operation is atomic.
//
// One mutex guards it: the bound is one for all keys, and an operation holds
// the mutex for less time than a crossing between guest and host takes.
type KV struct {
	now   func() time.Time
	start time.Time

	mu       sync.Mutex
	maxBytes int64
	bytes    int64
	entries  map[string]*kvEntry
	order    kvOrder
	written  uint64
}

func newKV(maxBytes int64, now func() time.Time) *KV {
	return &KV{now: now, start: now(), maxBytes: kvBytes(maxBytes), entries: make(map[string]*kvEntry)}
}

func kvBytes(maxBytes int64) int64 {
	if maxBytes <= 0 {
		return DefaultKVBytes
	}
	return maxBytes
}

type kvEntry struct {
	key string
	// value is never changed in place: readers use it outside the mutex.
	value []byte
	// number stands for the value where numeric is true, so that counting
	// allocates nothing.
	number  int64
	numeric bool
	ends    int64 // since KV.start, in nanoseconds
	written uint64
	index   int // in KV.order
}

func (e *kvEntry) size() int64 {
	if e.numeric {
		return kvSize(len(e.key), filterv1.KVNumberBytes)
	}
	return kvSize(len(e.key), len(e.value))
}

func kvSize(key, value int) int64 { return int64(key) + int64(value) + filterv1.KVEntryBytes }

// Get returns the value of key, or false where there is none. The value must
// not be changed; it is scratch's memory where the value is a number.
func (kv *KV) Get(scratch, key []byte) ([]byte, bool) {
	kv.mu.Lock()
	defer kv.mu.Unlock()
	e := kv.entries[string(key)]
	if e == nil || e.ends <= kv.clock() {
		return nil, false
	}
	if e.numeric {
		return strconv.AppendInt(scratch, e.number, 10), true
	}
	return e.value, true
}

// Put keeps a copy of value for ttl; zero means without end. What ends first
// makes room.
//
// # Errors
//
// A [*Refusal]: malformed operands, or what does not fit.
func (kv *KV) Put(key, value []byte, ttl time.Duration) *Refusal {
	if refusal := kv.check(key, ttl); refusal != nil {
		return refusal
	}
	kv.mu.Lock()
	defer kv.mu.Unlock()
	if len(value) > filterv1.MaxKVValueBytes || kvSize(len(key), len(value)) > kv.maxBytes {
		return &Refusal{filterv1.StatusTooLarge, errors.New("the value is larger than 64 KiB or limits.kv")}
	}
	now := kv.clock()
	kv.remove(kv.entries[string(key)])
	kv.add(&kvEntry{key: string(key), value: append([]byte(nil), value...), ends: end(now, ttl)}, now)
	return nil
}

// Delete forgets key, which need not be there.
func (kv *KV) Delete(key []byte) *Refusal {
	if refusal := kv.check(key, 0); refusal != nil {
		return refusal
	}
	kv.mu.Lock()
	defer kv.mu.Unlock()
	kv.remove(kv.entries[string(key)])
	return nil
}

// Incr adds delta to a number and returns the sum. A key that is not there
// counts as zero and is made, for ttl.
//
// # Errors
//
// A [*Refusal]: malformed operands, a value that is no number, a sum that
// overflows, or what does not fit.
func (kv *KV) Incr(key []byte, delta int64, ttl time.Duration) (int64, *Refusal) {
	if refusal := kv.check(key, ttl); refusal != nil {
		return 0, refusal
	}
	kv.mu.Lock()
	defer kv.mu.Unlock()
	now := kv.clock()
	e := kv.entries[string(key)]
	if e == nil || e.ends <= now {
		if kvSize(len(key), filterv1.KVNumberBytes) > kv.maxBytes {
			return 0, &Refusal{filterv1.StatusTooLarge, errors.New("limits.kv is smaller than a number")}
		}
		kv.remove(e)
		kv.add(&kvEntry{key: string(key), number: delta, numeric: true, ends: end(now, ttl)}, now)
		return delta, nil
	}
	number := e.number
	if !e.numeric {
		var err error
		if number, err = strconv.ParseInt(string(e.value), 10, 64); err != nil {
			return 0, &Refusal{filterv1.StatusBadArgument, errors.New("the value is no decimal number")}
		}
	}
	sum := number + delta
	if (sum > number) != (delta > 0) && delta != 0 {
		return 0, &Refusal{filterv1.StatusBadArgument, errors.New("the sum overflows")}
	}
	if !e.numeric {
		// Its size changes, so it makes room like a new one.
		made := &kvEntry{key: e.key, number: sum, numeric: true, ends: e.ends}
		if made.size() > kv.maxBytes {
			return 0, &Refusal{filterv1.StatusTooLarge, errors.New("limits.kv is smaller than a number")}
		}
		kv.remove(e)
		kv.add(made, now)
		return sum, nil
	}
	e.number = sum
	kv.touch(e)
	return sum, nil
}

// Len returns the number of entries, ended ones included.
func (kv *KV) Len() int {
	kv.mu.Lock()
	defer kv.mu.Unlock()
	return len(kv.entries)
}

// Bytes returns what the entries count.
func (kv *KV) Bytes() int64 {
	kv.mu.Lock()
	defer kv.mu.Unlock()
	return kv.bytes
}

func (kv *KV) check(key []byte, ttl time.Duration) *Refusal {
	switch {
	case len(key) == 0:
		return &Refusal{filterv1.StatusBadArgument, errors.New("the key is empty")}
	case len(key) > filterv1.MaxKVKeyBytes:
		return &Refusal{filterv1.StatusTooLarge, errors.New("the key is longer than 1 KiB")}
	case ttl < 0:
		return &Refusal{filterv1.StatusBadArgument, errors.New("the time to live is negative")}
	}
	return nil
}

func (kv *KV) clock() int64 { return int64(kv.now().Sub(kv.start)) }

// end is now plus ttl, where zero and what cannot be counted never end.
func end(now int64, ttl time.Duration) int64 {
	if ttl == 0 || int64(ttl) > math.MaxInt64-max(now, 0) {
		return math.MaxInt64
	}
	return now + int64(ttl)
}

// add takes in an entry that fits, after what has to make room for it has gone.
func (kv *KV) add(e *kvEntry, now int64) {
	kv.makeRoom(kv.maxBytes-e.size(), now)
	kv.written++
	e.written = kv.written
	kv.bytes += e.size()
	kv.entries[e.key] = e
	heap.Push(&kv.order, e)
}

func (kv *KV) remove(e *kvEntry) {
	if e == nil {
		return
	}
	heap.Remove(&kv.order, e.index)
	delete(kv.entries, e.key)
	kv.bytes -= e.size()
}

// touch makes e the last written.
func (kv *KV) touch(e *kvEntry) {
	kv.written++
	e.written = kv.written
	heap.Fix(&kv.order, e.index)
}

// makeRoom gives up entries until at most limit bytes are left, and what has
// ended in any case, a few at a time.
func (kv *KV) makeRoom(limit, now int64) {
	for n := 0; len(kv.order) > 0 && (kv.bytes > limit || n < 2 && kv.order[0].ends <= now); n++ {
		kv.remove(kv.order[0])
	}
}

// Resize bounds the store from now on; zero means DefaultKVBytes. What does not
// fit is forgotten.
func (kv *KV) Resize(maxBytes int64) {
	kv.mu.Lock()
	defer kv.mu.Unlock()
	kv.maxBytes = kvBytes(maxBytes)
	kv.makeRoom(kv.maxBytes, kv.clock())
}

// kvOrder is a heap of entries: what ends first is first, then what was
// written first.
type kvOrder []*kvEntry

var _ heap.Interface = (*kvOrder)(nil)

// Len implements [heap.Interface].
func (o kvOrder) Len() int { return len(o) }

// Less implements [heap.Interface].
func (o kvOrder) Less(i, j int) bool {
	if o[i].ends != o[j].ends {
		return o[i].ends < o[j].ends
	}
	return o[i].written < o[j].written
}

// Swap implements [heap.Interface].
func (o kvOrder) Swap(i, j int) {
	o[i], o[j] = o[j], o[i]
	o[i].index, o[j].index = i, j
}

// Push implements [heap.Interface].
func (o *kvOrder) Push(x any) {
	e := x.(*kvEntry)
	e.index = len(*o)
	*o = append(*o, e)
}

// Pop implements [heap.Interface].
func (o *kvOrder) Pop() any {
	last := len(*o) - 1
	e := (*o)[last]
	(*o)[last] = nil
	*o = (*o)[:last]
	return e
}
