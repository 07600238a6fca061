package guest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/wasm/capability"
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

// maxKeyFields bounds how many fields are hidden as places of API keys, those of
// all filters together: every field of every request is compared with them.
const maxKeyFields = 64

// KeyFields are the header fields in which filters of one host look for API
// keys, besides X-API-Key: they are hidden from filters that may not see keys,
// whichever of them runs first. It is safe for concurrent use; the zero value
// is empty. A nil one stays so.
type KeyFields struct {
	mu sync.Mutex
	// uses counts the filters that look into a field, by its name in lower case.
	uses  map[string]int
	names atomic.Pointer[[]string]
}

// hold hides fields until they are released. It hides all or none.
func (k *KeyFields) hold(names []string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.uses == nil {
		k.uses = make(map[string]int)
	}
	room := maxKeyFields - len(k.uses)
	for _, name := range names {
		if k.uses[name] > 0 {
			continue
		}
		if room--; room < 0 {
			return fmt.Errorf("header: %s cannot be hidden from other filters: there are %d headers of keys already, which is all there may be; use one that another filter uses, or X-API-Key", name, maxKeyFields)
		}
	}
	for _, name := range names {
		k.uses[name]++
	}
	k.publish()
	return nil
}

// release ends what hold began.
func (k *KeyFields) release(names []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, name := range names {
		if k.uses[name]--; k.uses[name] <= 0 {
			delete(k.uses, name)
		}
	}
	k.publish()
}

func (k *KeyFields) publish() {
	names := slices.Collect(maps.Keys(k.uses))
	k.names.Store(&names)
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

// HideKeys hides the header fields of a filter's key policies from all filters
// that may not see keys, until ShowKeys. A field counts only where the operator
// has named it in the filter's configuration: no filter hides what it likes
// from others.
//
// It is called once, before the filter's first request.
//
// # Errors
//
// That there are too many such fields.
func (f *Filter) HideKeys(policies []*capability.KeyPolicy) error {
	if f.KeyFields == nil {
		return nil
	}
	var names []string
	for _, p := range policies {
		name := p.HiddenHeader(f.Config)
		if name != "" && CredentialGrant(name) == "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	if err := f.KeyFields.hold(names); err != nil {
		return err
	}
	f.hidden = names
	return nil
}

// ShowKeys ends what HideKeys has begun, when the filter is gone.
func (f *Filter) ShowKeys() {
	if len(f.hidden) > 0 {
		f.KeyFields.release(f.hidden)
		f.hidden = nil
	}
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
