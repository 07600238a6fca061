package guest

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
)

// CredentialGrant returns the grant without which a header field is hidden,
// because it carries credentials; "" for all other fields. It is called for
// every field of every request, so it compares only names of the same length.
func CredentialGrant(name string) string {
	switch len(name) {
	case len("Cookie"):
		if strings.EqualFold(name, "Cookie") {
			return filterv1.GrantCookie
		}
	case len("Set-Cookie"):
		if strings.EqualFold(name, "Set-Cookie") {
			return filterv1.GrantCookie
		}
	case len("X-API-Key"):
		if strings.EqualFold(name, "X-API-Key") {
			return filterv1.GrantAuthorization
		}
	case len("Authorization"):
		if strings.EqualFold(name, "Authorization") {
			return filterv1.GrantAuthorization
		}
	case len("Proxy-Authorization"):
		if strings.EqualFold(name, "Proxy-Authorization") {
			return filterv1.GrantAuthorization
		}
	}
	return ""
}

// maxKeyFields bounds how many fields are hidden as places of API keys.
const maxKeyFields = 64

// KeyFields are the header fields in which filters of one host look for API
// keys, besides X-API-Key: they are hidden from filters that may not see keys,
// whichever of them runs first. It is safe for concurrent use; the zero value
// is empty. A nil one stays so.
type KeyFields struct {
	mu    sync.Mutex
	names atomic.Pointer[[]string]
}

// Add hides a field from now on, until the host is closed: what held keys once
// may hold them still. "" and what is hidden anyway are left out.
func (k *KeyFields) Add(name string) {
	if k == nil || name == "" || CredentialGrant(name) != "" || k.has(name) {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	var names []string
	if old := k.names.Load(); old != nil {
		names = *old
	}
	if !k.has(name) && len(names) < maxKeyFields {
		names = append(slices.Clip(names), name)
		k.names.Store(&names)
	}
}

func (k *KeyFields) has(name string) bool {
	if k == nil {
		return false
	}
	names := k.names.Load()
	if names == nil {
		return false
	}
	for _, n := range *names {
		if len(n) == len(name) && strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

// CredentialGrant is [CredentialGrant], and knows where filters look for keys.
func (f *Filter) CredentialGrant(name string) string {
	if grant := CredentialGrant(name); grant != "" {
		return grant
	}
	if f.KeyFields.has(name) {
		return filterv1.GrantAuthorization
	}
	return ""
}

// Visible reports whether the guest may see a header field.
func (in *Instance) Visible(name string) bool {
	grant := in.Filter.CredentialGrant(name)
	return grant == "" || in.Filter.Granted(grant) || in.Filter.Granted(filterv1.GrantSensitiveHeaders)
}

// Changeable reports whether the guest may change a header field. A response's
// cookies may be set by whom they are hidden from: that tells nothing.
func (in *Instance) Changeable(name string) bool {
	return in.Visible(name) || strings.EqualFold(name, "Set-Cookie")
}
