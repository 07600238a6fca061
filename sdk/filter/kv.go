package filter

import (
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
	"gatehouse.example/sdk/filter/internal/host"
)

// StatusBadArgument is what a [KV] returns for an empty key, a negative time to
// live, and where a number was wanted and is none.
const StatusBadArgument = filterv1.StatusBadArgument

// KV is a small memory that all instances of the filter in one gateway share,
// and that outlives reloads: each gateway has its own, and a restart forgets
// it. Keys are 1 byte to 1 KiB, values up to 64 KiB; all together the operator
// bounds by limits.kv (1 MiB unless set). What ends first makes room for what
// is new, so use it for what can be made again.
//
// Its methods allocate nothing once their buffers have grown.
type KV struct {
	host  host.Caller
	value []byte
	key   []byte
}

// KV returns the filter's memory. Name the grant with Needs("kv").
//
// # Errors
//
// The operator has not granted "kv".
func (s *Setup) KV() (*KV, error) {
	kv := &KV{host: s.host, value: make([]byte, 1<<10)}
	if n := s.host.KVGet("x", nil); n < 0 && filterv1.Status(-n) != filterv1.StatusAbsent {
		return nil, s.refused("kv")
	}
	return kv, nil
}

// Key joins parts into a key without allocating. The key is valid until the
// next call of Key: kv.Get(kv.Key("seen/", subject)).
func (kv *KV) Key(parts ...string) string {
	kv.key = kv.key[:0]
	for _, p := range parts {
		kv.key = append(kv.key, p...)
	}
	return view(kv.key)
}

// Get returns the value of key, and whether there is one. The value is valid
// until the next call of Get.
func (kv *KV) Get(key string) ([]byte, bool) {
	n := kv.host.KVGet(key, kv.value)
	// Another instance may put a larger value in between.
	for n > len(kv.value) {
		kv.value = make([]byte, n)
		n = kv.host.KVGet(key, kv.value)
	}
	if n < 0 {
		return nil, false
	}
	return kv.value[:n], true
}

// Put keeps a copy of value for ttl, with a resolution of milliseconds; zero
// means without end. It returns StatusOK, StatusTooLarge or StatusBadArgument.
func (kv *KV) Put(key string, value []byte, ttl time.Duration) Status {
	return kv.host.KVPut(key, value, milliseconds(ttl))
}

// Delete forgets key, which need not be there.
func (kv *KV) Delete(key string) Status { return kv.host.KVDelete(key) }

// Incr adds delta to a number and returns the sum, atomically over all
// instances. Where there is none it begins with zero, for ttl; the time to live
// of one that is there stays. It returns StatusBadArgument where the value is no
// decimal number or the sum overflows.
func (kv *KV) Incr(key string, delta int64, ttl time.Duration) (int64, Status) {
	return kv.host.KVIncr(key, delta, milliseconds(ttl))
}

// milliseconds rounds away from zero: a time to live of less than one is not
// without end.
func milliseconds(d time.Duration) int64 {
	ms := d / time.Millisecond
	switch rest := d % time.Millisecond; {
	case rest > 0:
		ms++
	case rest < 0:
		ms--
	}
	return int64(ms)
}
