package extension

import (
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

func only(h *exchange.Header, name string) (value string, count int) {
	for i := range h.Len() {
		if f := h.At(i); exchange.EqualName(f.Name, name) {
			value = f.Value
			count++
		}
	}
	return value, count
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
		case "iss":
			value = p.Issuer
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
	in.Charge(int64(in.MustExchange().AttributeCount()))
	value, ok := in.MustExchange().Attribute(in.Intern(name))
	if !ok || len(name) == 0 || name[0] == 0 {
		answer(stack, filterv1.Absent)
		return
	}
	answer(stack, int32(mem.PutString(uint32(stack[2]), uint32(stack[3]), value)))
}
