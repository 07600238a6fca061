// Package extension owns the host's side of gatehouse_v1, the module that adds
// to the http-wasm handler ABI what built-in and own filters need: the request
// in one crossing, all changes in another, limits, tokens and keys. The
// contract is pluginspec/filter/v1.
//
// It checks operands and grants; gateway/wasm/capability does the work.
package extension

import (
	"context"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/wasm/guest"
)

const i32, i64 = api.ValueTypeI32, api.ValueTypeI64

// Instantiate adds the host module to runtime.
func Instantiate(ctx context.Context, runtime wazero.Runtime) error {
	one := []api.ValueType{i32}
	two := []api.ValueType{i32, i32}
	three := []api.ValueType{i32, i32, i32}
	four := []api.ValueType{i32, i32, i32, i32}
	return guest.Export(ctx, runtime, filterv1.Module, []guest.Function{
		{Name: filterv1.ImportFail, Params: two, Call: fail},
		{Name: filterv1.ImportLastError, Params: two, Results: one, Call: lastError},
		{Name: filterv1.ImportRequestSnapshot, Params: two, Results: one, Call: requestSnapshot},
		{Name: filterv1.ImportApply, Params: two, Results: one, Call: apply},
		{Name: filterv1.ImportLimitPolicy, Params: two, Results: one, Call: limitPolicy},
		{Name: filterv1.ImportLimitTake, Params: []api.ValueType{i32, i32, i32, i32, i32}, Results: one, Call: limitTake},
		{Name: filterv1.ImportTokenPolicy, Params: two, Results: one, Call: tokenPolicy},
		{Name: filterv1.ImportTokenVerify, Params: three, Results: one, Call: tokenVerify},
		{Name: filterv1.ImportKeyPolicy, Params: two, Results: one, Call: keyPolicy},
		{Name: filterv1.ImportKeyVerify, Params: three, Results: one, Call: keyVerify},
		{Name: filterv1.ImportPrincipalGet, Params: four, Results: one, Call: principalGet},
		{Name: filterv1.ImportAttributeGet, Params: four, Results: one, Call: attributeGet},
		{Name: filterv1.ImportKVGet, Params: four, Results: one, Call: kvGet},
		{Name: filterv1.ImportKVPut, Params: []api.ValueType{i32, i32, i32, i32, i64}, Results: one, Call: kvPut},
		{Name: filterv1.ImportKVDelete, Params: two, Results: one, Call: kvDelete},
		{Name: filterv1.ImportKVIncr, Params: []api.ValueType{i32, i32, i64, i64, i32}, Results: one, Call: kvIncr},
		{Name: filterv1.ImportMetricAdd, Params: []api.ValueType{i32, i32, api.ValueTypeF64}, Results: one, Call: metricAdd},
		{Name: filterv1.ImportHTTPCall, Params: three, Results: one, Call: httpCall},
		{Name: filterv1.ImportHTTPResponse, Params: two, Results: one, Call: httpResponse},
	})
}

// answer writes a status or a handle.
func answer(stack []uint64, value int32) { stack[0] = uint64(uint32(value)) }

// refuseHandle turns a status into what an import that makes handles returns.
func refuseHandle(stack []uint64, status filterv1.Status) { answer(stack, -int32(status)) }

func fail(in *guest.Instance, mem guest.Memory, stack []uint64) {
	p := mem.Bytes(uint32(stack[0]), uint32(stack[1]))
	if in.Phase == guest.Starting && in.Failure == "" {
		in.Failure = string(p[:min(len(p), 2<<10)])
	}
}

func lastError(in *guest.Instance, mem guest.Memory, stack []uint64) {
	answer(stack, int32(mem.PutString(uint32(stack[0]), uint32(stack[1]), in.LastError)))
}
