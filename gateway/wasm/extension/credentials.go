package extension

import (
	"strings"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/wasm/capability"
	"gatehouse.example/gateway/wasm/guest"
)

// attributeCredential says by what the principal was made: "token" or "key".
// Filters read it as the principal's field "credential"; they cannot set it,
// for its name holds a byte that no operand may start with.
const attributeCredential = "\x00credential"

const maxPolicies = 64

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
		p, err := in.Filter.Tokens.Policy(text)
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
	token, status := string(given), filterv1.StatusOK
	if token == "" {
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
	policy := &in.Tokens[handle]
	c, refusal := in.Filter.Tokens.Verify(in.Request, policy, token)
	if refusal == nil {
		policy.Attributes(c, ex.SetAttribute)
	}
	answer(stack, int32(settle(in, ex, c, refusal, "token")))
}

// bearer returns the request's bearer token (RFC 6750 §2.1). Another scheme is
// somebody else's; two fields or nothing behind the scheme are a malformed
// credential, not an absent one.
func bearer(h *exchange.Header) (string, filterv1.Status) {
	value, count := only(h, "Authorization")
	if count == 0 {
		return "", filterv1.StatusAbsent
	}
	if count > 1 {
		return "", filterv1.StatusInvalid
	}
	scheme, token, _ := strings.Cut(value, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", filterv1.StatusAbsent
	}
	token = strings.Trim(token, " ")
	if token == "" {
		return "", filterv1.StatusInvalid
	}
	return token, filterv1.StatusOK
}

func only(h *exchange.Header, name string) (value string, count int) {
	for i := range h.Len() {
		if f := h.At(i); strings.EqualFold(f.Name, name) {
			value = f.Value
			count++
		}
	}
	return value, count
}

func keyVerify(in *guest.Instance, mem guest.Memory, stack []uint64) {
	given := mem.Bytes(uint32(stack[0]), uint32(stack[1]))
	switch {
	case !in.Filter.Granted(filterv1.GrantKey):
		answer(stack, int32(in.NotGranted(filterv1.GrantKey)))
		return
	case in.Phase != guest.Requesting:
		answer(stack, int32(in.Refuse(filterv1.StatusBadArgument, "key_verify is for the request phase")))
		return
	case in.Filter.Keys == nil:
		answer(stack, int32(in.Refuse(filterv1.StatusUnavailable, "this gateway verifies no API keys")))
		return
	}
	ex := in.MustExchange()
	key := string(given)
	if key == "" {
		value, count := only(&ex.Request.Header, "X-API-Key")
		switch {
		case count == 0:
			answer(stack, int32(in.Refuse(filterv1.StatusAbsent, "")))
			return
		case count > 1 || value == "":
			answer(stack, int32(in.Refuse(filterv1.StatusInvalid, "")))
			return
		}
		key = value
	}
	if ex.Principal.Authenticated() {
		answer(stack, int32(in.Refuse(filterv1.StatusConflict, "")))
		return
	}
	c, refusal := in.Filter.Keys.Verify(in.Request, key)
	answer(stack, int32(settle(in, ex, c, refusal, "key")))
}

// settle makes the principal, or records why there is none.
func settle(in *guest.Instance, ex *exchange.Exchange, c *capability.Credential, refusal *capability.Refusal, kind string) filterv1.Status {
	if refusal != nil {
		why := ""
		if refusal.Reason != nil {
			why = refusal.Reason.Error()
		}
		if refusal.Status == filterv1.StatusUnavailable {
			in.Filter.Log.Unavailable(kind, why)
		}
		return in.Refuse(refusal.Status, why)
	}
	ex.Principal, ex.Credential = c.Principal, c.Digest
	ex.SetAttribute(attributeCredential, kind)
	return filterv1.StatusOK
}

func principalGet(in *guest.Instance, mem guest.Memory, stack []uint64) {
	ex := in.MustExchange()
	p := &ex.Principal
	value, list := "", []string(nil)
	if p.Authenticated() {
		switch string(mem.Bytes(uint32(stack[0]), uint32(stack[1]))) {
		case "kind":
			value = string(p.Kind)
		case "sub":
			value = p.Subject
		case "client_id":
			value = p.ClientID
		case "sid":
			value = p.SessionID
		case "jti":
			value = p.TokenID
		case "scope":
			list = p.Scopes
		case "roles":
			list = p.Roles
		case "credential":
			value, _ = ex.Attribute(attributeCredential)
		}
	}
	in.Scratch = append(in.Scratch[:0], value...)
	for i, item := range list {
		if i > 0 {
			in.Scratch = append(in.Scratch, ' ')
		}
		in.Scratch = append(in.Scratch, item...)
	}
	if len(in.Scratch) == 0 {
		answer(stack, filterv1.Absent)
		return
	}
	answer(stack, int32(mem.Put(uint32(stack[2]), uint32(stack[3]), in.Scratch)))
}

func attributeGet(in *guest.Instance, mem guest.Memory, stack []uint64) {
	name := mem.Bytes(uint32(stack[0]), uint32(stack[1]))
	value, ok := in.MustExchange().Attribute(in.Intern(name))
	if !ok || len(name) == 0 || name[0] == 0 {
		answer(stack, filterv1.Absent)
		return
	}
	answer(stack, int32(mem.PutString(uint32(stack[2]), uint32(stack[3]), value)))
}
