package extension

import (
	"encoding/binary"
	"math"
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/wasm/capability"
	"gatehouse.example/gateway/wasm/guest"
)

// mayRemember says whether the guest may use its memory, and why not.
func mayRemember(in *guest.Instance) filterv1.Status {
	switch {
	case !in.Filter.Granted(filterv1.GrantKV):
		return in.NotGranted(filterv1.GrantKV)
	case in.Filter.KV == nil:
		return in.Refuse(filterv1.StatusUnavailable, "this gateway keeps nothing for filters")
	}
	return filterv1.StatusOK
}

// refusedFor is the status of a refusal, which the guest may ask about.
func refusedFor(in *guest.Instance, refusal *capability.Refusal) filterv1.Status {
	if refusal == nil {
		return filterv1.StatusOK
	}
	return in.Refuse(refusal.Status, refusal.Reason.Error())
}

// timeToLive turns milliseconds into a duration; what is too long to count is
// as long as can be counted.
func timeToLive(milliseconds uint64) time.Duration {
	ms := int64(milliseconds)
	if ms > math.MaxInt64/int64(time.Millisecond) {
		return math.MaxInt64
	}
	return time.Duration(max(ms, -1)) * time.Millisecond
}

func kvGet(in *guest.Instance, mem guest.Memory, stack []uint64) {
	key := mem.Bytes(uint32(stack[0]), uint32(stack[1]))
	if status := mayRemember(in); status != filterv1.StatusOK {
		answer(stack, -int32(status))
		return
	}
	value, ok := in.Filter.KV.Get(in.Scratch[:0], key)
	if !ok {
		answer(stack, -int32(filterv1.StatusAbsent))
		return
	}
	answer(stack, int32(mem.Put(uint32(stack[2]), uint32(stack[3]), value)))
}

func kvPut(in *guest.Instance, mem guest.Memory, stack []uint64) {
	key := mem.Bytes(uint32(stack[0]), uint32(stack[1]))
	value := mem.Bytes(uint32(stack[2]), uint32(stack[3]))
	status := mayRemember(in)
	if status == filterv1.StatusOK {
		status = refusedFor(in, in.Filter.KV.Put(key, value, timeToLive(stack[4])))
	}
	answer(stack, int32(status))
}

func kvDelete(in *guest.Instance, mem guest.Memory, stack []uint64) {
	key := mem.Bytes(uint32(stack[0]), uint32(stack[1]))
	status := mayRemember(in)
	if status == filterv1.StatusOK {
		status = refusedFor(in, in.Filter.KV.Delete(key))
	}
	answer(stack, int32(status))
}

func kvIncr(in *guest.Instance, mem guest.Memory, stack []uint64) {
	key := mem.Bytes(uint32(stack[0]), uint32(stack[1]))
	// Looked at first: a sum that cannot be told must not be made.
	result := mem.Bytes(uint32(stack[4]), 8)
	status := mayRemember(in)
	if status == filterv1.StatusOK {
		sum, refusal := in.Filter.KV.Incr(key, int64(stack[2]), timeToLive(stack[3]))
		if status = refusedFor(in, refusal); refusal == nil {
			binary.LittleEndian.PutUint64(result, uint64(sum))
		}
	}
	answer(stack, int32(status))
}
