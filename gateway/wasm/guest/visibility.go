package guest

import (
	"strings"

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

// Visible reports whether the guest may see a header field.
func (in *Instance) Visible(name string) bool {
	grant := CredentialGrant(name)
	return grant == "" || in.Filter.Granted(grant) || in.Filter.Granted(filterv1.GrantSensitiveHeaders)
}

// Changeable reports whether the guest may change a header field. A response's
// cookies may be set by whom they are hidden from: that tells nothing.
func (in *Instance) Changeable(name string) bool {
	return in.Visible(name) || strings.EqualFold(name, "Set-Cookie")
}
