package auth

import (
	"slices"
	"strings"

	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/rbac"
)

// DefaultAudience is the audience of an access token unless the client names a
// resource: everything behind the gateway.
const DefaultAudience = "gatehouse"

// The scopes of OpenID Connect Core §5.4 and §11.
const (
	ScopeOpenID        = "openid"
	ScopeProfile       = "profile"
	ScopeEmail         = "email"
	ScopeOfflineAccess = "offline_access"
)

// OIDCScopes returns the scopes that concern a person signing in. They mean
// nothing for a client that acts for itself.
func OIDCScopes() []string {
	return []string{ScopeOpenID, ScopeProfile, ScopeEmail, ScopeOfflineAccess}
}

// KnownScopes returns every scope with a meaning here. Clients may be given
// further ones for the operator's own applications.
func KnownScopes() []string { return append(OIDCScopes(), rbac.All()...) }

// ParseScope splits a scope parameter (RFC 6749 §3.3). Duplicates fall away;
// ok is false for characters that the grammar does not allow.
func ParseScope(scope string) (scopes []string, ok bool) {
	for _, s := range strings.Fields(scope) {
		if !ValidScopeToken(s) {
			return nil, false
		}
		if !slices.Contains(scopes, s) {
			scopes = append(scopes, s)
		}
	}
	return scopes, true
}

// ValidScopeToken reports whether s is a scope-token of RFC 6749 §3.3.
func ValidScopeToken(s string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c < 0x21 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// FormatScope is the opposite of [ParseScope].
func FormatScope(scopes []string) string { return strings.Join(scopes, " ") }

// IntersectScopes returns what of requested is in allowed, in requested's order.
func IntersectScopes(requested, allowed []string) []string {
	granted := []string{}
	for _, s := range requested {
		if slices.Contains(allowed, s) {
			granted = append(granted, s)
		}
	}
	return granted
}

// UserScopes returns what a token for a person may allow when the client asked
// for requested: no more than the client was registered with, and never
// "admin", which only client_credentials grants. Without a request it is
// everything that the client may have but offline_access (RFC 6749 §3.3 lets
// the server choose a default).
func (c Client) UserScopes(requested []string) []string {
	if len(requested) == 0 {
		requested = slices.DeleteFunc(slices.Clone(c.Scopes), func(s string) bool { return s == ScopeOfflineAccess })
	}
	granted := IntersectScopes(requested, c.Scopes)
	return slices.DeleteFunc(granted, func(s string) bool { return s == identity.ScopeAdmin })
}

// OwnScopes returns what a token for the client itself may allow. A client that
// an administrator marked may have "admin" and with it any narrower scope;
// without a request it gets "admin", other clients their registered scopes.
func (c Client) OwnScopes(requested []string) []string {
	if c.Admin && len(requested) == 0 {
		return []string{identity.ScopeAdmin}
	}
	if len(requested) == 0 {
		requested = c.Scopes
	}
	granted := []string{}
	for _, s := range requested {
		if c.mayHave(s) {
			granted = append(granted, s)
		}
	}
	return granted
}

func (c Client) mayHave(scope string) bool {
	switch {
	case scope == identity.ScopeAdmin:
		return c.Admin
	case slices.Contains(OIDCScopes(), scope):
		return false
	case slices.Contains(c.Scopes, scope):
		return true
	}
	return c.Admin && scope != identity.ScopeImpersonate && slices.Contains(rbac.All(), scope)
}
