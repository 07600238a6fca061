package extension

import (
	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/wasm/guest"
)

func metricAdd(in *guest.Instance, _ guest.Memory, stack []uint64) {
	answer(stack, int32(in.NotGranted(filterv1.GrantMetrics)))
}
