package extension

import (
	"encoding/binary"
	"math"
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/wasm/guest"
)

func limitPolicy(in *guest.Instance, _ guest.Memory, stack []uint64) {
	rate, per, burst := int64(stack[0]), int64(stack[1]), int64(stack[2])
	switch {
	case in.Phase != guest.Starting || len(in.Limits) == maxPolicies:
		refuseHandle(stack, in.Refuse(filterv1.StatusBadArgument, "policies are made in gatehouse_start, at most 64"))
	case in.Filter.Limiter == nil:
		refuseHandle(stack, in.Refuse(filterv1.StatusUnavailable, "this gateway counts no requests"))
	default:
		p, err := in.Filter.Limiter.Policy(in.Filter.Name, rate, time.Duration(per), burst)
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
	result := mem.Bytes(uint32(stack[4]), filterv1.LimitResultSize)
	if uint64(handle) >= uint64(len(in.Limits)) {
		answer(stack, int32(in.Refuse(filterv1.StatusBadArgument, "unknown limit")))
		return
	}
	taken := in.Filter.Limiter.Take(in.Limits[handle], key, uint32(stack[3]))
	binary.LittleEndian.PutUint32(result[0:], taken.Remaining)
	binary.LittleEndian.PutUint32(result[4:], milliseconds(taken.Reset))
	binary.LittleEndian.PutUint32(result[8:], milliseconds(taken.Retry))
	status := filterv1.StatusOK
	if !taken.Allowed {
		status = filterv1.StatusLimited
	}
	answer(stack, int32(status))
}

// milliseconds rounds up: who comes back then is not too early.
func milliseconds(d time.Duration) uint32 {
	ms := (d + time.Millisecond - 1) / time.Millisecond
	return uint32(min(int64(ms), math.MaxUint32))
}
