package extension

import (
	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/wasm/capability"
	"gatehouse.example/gateway/wasm/guest"
)

func keyPolicy(in *guest.Instance, mem guest.Memory, stack []uint64) {
	text := mem.Bytes(uint32(stack[0]), uint32(stack[1]))
	switch {
	case !in.Filter.Granted(filterv1.GrantKey):
		refuseHandle(stack, in.NotGranted(filterv1.GrantKey))
	case in.Phase != guest.Starting || len(in.Keys) == maxPolicies:
		refuseHandle(stack, in.Refuse(filterv1.StatusBadArgument, "policies are made in gatehouse_start, at most 64"))
	case in.Filter.Keys == nil:
		refuseHandle(stack, in.Refuse(filterv1.StatusUnavailable, "this gateway verifies no API keys"))
	default:
		p, err := in.Filter.Keys.Policy(text)
		if err != nil {
			refuseHandle(stack, in.Refuse(filterv1.StatusBadArgument, err.Error()))
			return
		}
		in.Keys = append(in.Keys, p)
		answer(stack, int32(len(in.Keys)-1))
	}
}

func keyVerify(in *guest.Instance, mem guest.Memory, stack []uint64) {
	handle := uint32(stack[0])
	given := mem.Bytes(uint32(stack[1]), uint32(stack[2]))
	if !in.Filter.Granted(filterv1.GrantKey) {
		answer(stack, int32(in.NotGranted(filterv1.GrantKey)))
		return
	}
	if uint64(handle) >= uint64(len(in.Keys)) || in.Phase != guest.Requesting {
		answer(stack, int32(in.Refuse(filterv1.StatusBadArgument, "unknown key policy")))
		return
	}
	policy := in.Keys[handle]
	ex := in.MustExchange()
	in.Charge(int64(ex.Request.Header.Len() + len(ex.Request.Query)/guest.BytesPerUnit))
	inRequest := takeKey(ex, policy)
	key := string(given)
	if key == "" {
		switch {
		case !inRequest.found:
			answer(stack, int32(in.Refuse(filterv1.StatusAbsent, "")))
			return
		case inRequest.ambiguous:
			answer(stack, int32(in.Refuse(filterv1.StatusInvalid, "the key is empty, or there is more than one")))
			return
		}
		key = inRequest.key
	}
	if ex.Principal.Authenticated() {
		answer(stack, int32(in.Refuse(filterv1.StatusConflict, "")))
		return
	}
	var c *capability.Credential
	var refusal *capability.Refusal
	in.Waiting(func() { c, refusal = in.Filter.Keys.Verify(in.HostContext(), policy, key) })
	answer(stack, int32(settle(in, ex, c, refusal, "key")))
}
