package wasm

import (
	"gatehouse.example/gateway/filter"
	"gatehouse.example/gateway/wasm/guest"
)

// Hides reports whether a header field is hidden from filters without grants.
func Hides(h *Host, field string) bool {
	return (&guest.Filter{KeyFields: h.services.keyFields}).CredentialGrant(field) != ""
}

// Asking is how many questions about credentials f has under way.
func Asking(f filter.Filter) int { return f.(*wasmFilter).shared.Questions.Asking() }

// MaxInstances is how many instances f may have.
func MaxInstances(f filter.Filter) int { return f.(*wasmFilter).limits.Instances }
