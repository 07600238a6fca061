package extension

import (
	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/wasm/guest"
)

func kvGet(in *guest.Instance, _ guest.Memory, stack []uint64) {
	answer(stack, -int32(in.NotGranted(filterv1.GrantKV)))
}

func kvPut(in *guest.Instance, _ guest.Memory, stack []uint64) {
	answer(stack, int32(in.NotGranted(filterv1.GrantKV)))
}

func kvDelete(in *guest.Instance, _ guest.Memory, stack []uint64) {
	answer(stack, int32(in.NotGranted(filterv1.GrantKV)))
}

func kvIncr(in *guest.Instance, _ guest.Memory, stack []uint64) {
	answer(stack, int32(in.NotGranted(filterv1.GrantKV)))
}
