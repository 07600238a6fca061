package extension

import (
	"encoding/binary"
	"math"
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/wasm/capability"
	"gatehouse.example/gateway/wasm/guest"
)

func limitPolicy(in *guest.Instance, mem guest.Memory, stack []uint64) {
	text := mem.Bytes(uint32(stack[0]), uint32(stack[1]))
	switch {
	case in.Phase != guest.Starting || len(in.Limits) == maxPolicies:
		refuseHandle(stack, in.Refuse(filterv1.StatusBadArgument, "policies are made in gatehouse_start, at most 64"))
	case in.Filter.Limiter == nil:
		refuseHandle(stack, in.Refuse(filterv1.StatusUnavailable, "this gateway counts no requests"))
	default:
		p, err := in.Filter.Limiter.Policy(in.Filter.Name, text)
		if err != nil {
			refuseHandle(stack, in.Refuse(filterv1.StatusBadArgument, err.Error()))
			return
		}
		in.Limits = append(in.Limits, p)
		answer(stack, int32(len(in.Limits)-1))
	}
}

func limitTake(in *guest.Instance, mem guest.Memory, stack []uint64) {
	handle := uint32(stack[0])
	key := mem.Bytes(uint32(stack[1]), uint32(stack[2]))
	if uint64(handle) >= uint64(len(in.Limits)) {
		answer(stack, int32(in.Refuse(filterv1.StatusBadArgument, "unknown limit")))
		return
	}
	policy := in.Limits[handle]
	result := mem.Bytes(uint32(stack[4]), uint32(policy.Windows()*filterv1.LimitResultSize))
	var states [filterv1.MaxLimitWindows]capability.Limit
	var status filterv1.Status
	in.Waiting(func() {
		status = in.Filter.Limiter.Take(in.HostContext(), policy, key, uint32(stack[3]), states[:policy.Windows()])
	})
	if status == filterv1.StatusUnavailable {
		answer(stack, int32(in.Refuse(status, "the shared store of limits cannot be reached")))
		return
	}
	for i := range policy.Windows() {
		state, to := &states[i], result[i*filterv1.LimitResultSize:]
		binary.LittleEndian.PutUint32(to[0:], state.Remaining)
		binary.LittleEndian.PutUint32(to[4:], milliseconds(state.Reset))
		binary.LittleEndian.PutUint32(to[8:], milliseconds(state.Retry))
	}
	answer(stack, int32(status))
}

// milliseconds rounds up: who comes back then is not too early.
func milliseconds(d time.Duration) uint32 {
	ms := d / time.Millisecond
	if d%time.Millisecond > 0 {
		ms++
	}
	return uint32(min(int64(ms), math.MaxUint32))
}
