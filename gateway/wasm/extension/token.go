package extension

import (
	"strings"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/wasm/capability"
	"gatehouse.example/gateway/wasm/guest"
)

func tokenPolicy(in *guest.Instance, mem guest.Memory, stack []uint64) {
	text := mem.Bytes(uint32(stack[0]), uint32(stack[1]))
	switch {
	case !in.Filter.Granted(filterv1.GrantToken):
		refuseHandle(stack, in.NotGranted(filterv1.GrantToken))
	case in.Phase != guest.Starting || len(in.Tokens) == maxPolicies:
		refuseHandle(stack, in.Refuse(filterv1.StatusBadArgument, "policies are made in gatehouse_start, at most 64"))
	case in.Filter.Tokens == nil:
		refuseHandle(stack, in.Refuse(filterv1.StatusUnavailable, "this gateway verifies no tokens"))
	default:
		p, err := in.Filter.Tokens.Policy(text, in.Filter.Config)
		if err != nil {
			refuseHandle(stack, in.Refuse(filterv1.StatusBadArgument, err.Error()))
			return
		}
		in.Tokens = append(in.Tokens, p)
		answer(stack, int32(len(in.Tokens)-1))
	}
}

func tokenVerify(in *guest.Instance, mem guest.Memory, stack []uint64) {
	handle := uint32(stack[0])
	given := mem.Bytes(uint32(stack[1]), uint32(stack[2]))
	if !in.Filter.Granted(filterv1.GrantToken) {
		answer(stack, int32(in.NotGranted(filterv1.GrantToken)))
		return
	}
	if uint64(handle) >= uint64(len(in.Tokens)) || in.Phase != guest.Requesting {
		answer(stack, int32(in.Refuse(filterv1.StatusBadArgument, "unknown token policy")))
		return
	}
	ex := in.MustExchange()
	if challenge := in.Tokens[handle].Challenge; challenge != "" {
		ex.Challenge = challenge
	}
	token, status := string(given), filterv1.StatusOK
	if token == "" {
		in.Charge(int64(ex.Request.Header.Len()))
		token, status = bearer(&ex.Request.Header)
	}
	if status != filterv1.StatusOK {
		answer(stack, int32(in.Refuse(status, "")))
		return
	}
	if ex.Principal.Authenticated() {
		answer(stack, int32(in.Refuse(filterv1.StatusConflict, "")))
		return
	}
	policy := in.Tokens[handle]
	var c *capability.Credential
	var refusal *capability.Refusal
	in.Waiting(func() { c, refusal = in.Filter.Tokens.Verify(in.HostContext(), policy, token) })
	if refusal == nil {
		policy.Attributes(c, ex.SetAttribute)
	}
	answer(stack, int32(settle(in, ex, c, refusal, "token")))
}

// bearer returns the request's bearer token (RFC 6750 §2.1). Two fields are two
// credentials, and nothing behind the scheme a malformed one, not an absent one.
// A token that is bound to a key (RFC 9449 §7.1) is refused rather than passed
// over, for its client means to be somebody. Other schemes are somebody else's.
func bearer(h *exchange.Header) (string, filterv1.Status) {
	value, count := only(h, "Authorization")
	if count == 0 {
		return "", filterv1.StatusAbsent
	}
	if count > 1 {
		return "", filterv1.StatusConflict
	}
	scheme, token, _ := strings.Cut(value, " ")
	if strings.EqualFold(scheme, "DPoP") {
		return "", filterv1.StatusForbidden
	}
	if !strings.EqualFold(scheme, "Bearer") {
		return "", filterv1.StatusAbsent
	}
	token = strings.Trim(token, " ")
	if token == "" {
		return "", filterv1.StatusInvalid
	}
	return token, filterv1.StatusOK
}
