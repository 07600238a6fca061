package extension

import (
	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/wasm/guest"
)

func httpCall(in *guest.Instance, _ guest.Memory, stack []uint64) {
	answer(stack, -int32(in.NotGranted(filterv1.GrantHTTP)))
}

func httpResponse(_ *guest.Instance, _ guest.Memory, stack []uint64) {
	answer(stack, filterv1.Absent)
}
