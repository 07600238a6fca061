package extension

import (
	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"github.com/tetratelabs/wazero/api"

	"gatehouse.example/gateway/wasm/guest"
)

func metricAdd(in *guest.Instance, mem guest.Memory, stack []uint64) {
	name := mem.Bytes(uint32(stack[0]), uint32(stack[1]))
	switch {
	case !in.Filter.Granted(filterv1.GrantMetrics):
		answer(stack, int32(in.NotGranted(filterv1.GrantMetrics)))
	case in.Filter.Counters == nil:
		answer(stack, int32(in.Refuse(filterv1.StatusUnavailable, "this gateway counts nothing for filters")))
	default:
		answer(stack, int32(refusedFor(in, in.Filter.Counters.Add(name, api.DecodeF64(stack[2])))))
	}
}
