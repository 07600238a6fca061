package extension

import (
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/wasm/capability"
	"gatehouse.example/gateway/wasm/guest"
)

func httpCall(in *guest.Instance, mem guest.Memory, stack []uint64) {
	request := mem.Bytes(uint32(stack[0]), uint32(stack[1]))
	in.HTTPAnswer = nil
	switch {
	case !in.Filter.Granted(filterv1.GrantHTTP):
		answer(stack, -int32(in.NotGranted(filterv1.GrantHTTP)))
		return
	case in.Filter.HTTP == nil:
		answer(stack, -int32(in.Refuse(filterv1.StatusUnavailable, "this gateway sends no requests for filters")))
		return
	}
	timeout := time.Duration(uint32(stack[2])) * time.Millisecond
	var got []byte
	var refusal *capability.Refusal
	in.Waiting(func() { got, refusal = in.Filter.HTTP.Call(in.HostContext(), nil, request, timeout) })
	if refusal != nil {
		if refusal.Status == filterv1.StatusNotGranted {
			in.NotGranted(filterv1.GrantHTTP)
		}
		answer(stack, -int32(refusedFor(in, refusal)))
		return
	}
	in.Charge(int64(len(got)) / 8)
	in.HTTPAnswer = got
	answer(stack, int32(len(got)))
}

func httpResponse(in *guest.Instance, mem guest.Memory, stack []uint64) {
	if in.HTTPAnswer == nil {
		answer(stack, filterv1.Absent)
		return
	}
	answer(stack, int32(mem.Put(uint32(stack[0]), uint32(stack[1]), in.HTTPAnswer)))
}
