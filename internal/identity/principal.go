package identity

import (
	"context"
	"slices"
	"time"
)

// Kind says what kind of actor a [Principal] is.
type Kind string

// The kinds of principal.
const (
	KindNobody  Kind = ""
	KindUser    Kind = "user"
	KindClient  Kind = "client"
	KindService Kind = "service"
)

// ScopeAdmin stands for every scope but ScopeImpersonate. It is granted to no
// one but clients that an administrator marked, by client_credentials alone.
const (
	ScopeAdmin       = "admin"
	ScopeImpersonate = "users:impersonate"
)

// Principal is who acts. The zero value is nobody. It is read only once made
// and may be shared.
type Principal struct {
	// Kind says what Subject names.
	Kind Kind
	// Subject is the user id, the client id, or a service's name.
	Subject string
	// Issuer is empty for those whom Gatehouse itself knows. Otherwise it is
	// the other issuer whose token named the principal: Subject, ClientID and
	// the rest mean something there alone, even where they look like ours, so
	// no internal token is minted for it ([ErrForeign]).
	Issuer string
	// ClientID is the OAuth client that the principal acts through, if any.
	ClientID string
	// SessionID is the sign-in session behind a user's token, if any.
	SessionID string
	// TokenID is the jti of the presented token or the id of the API key.
	TokenID string
	// Scopes is what the credential allows.
	Scopes []string
	// Roles are the user's roles when the credential was issued.
	Roles []string
	// Permissions is what those roles permitted together.
	Permissions []string
	// Expires is the end of the presented credential; zero where it has none. Of
	// a principal that an internal token names it is that token's end.
	Expires time.Time
	// CredentialExpires is the end of what was presented at the edge, in a
	// principal that an internal token names; zero where it has none.
	CredentialExpires time.Time
	// RevocationID names the presented secret alone on the list of revocations
	// (kind "key"), where TokenID names more than that secret; else "".
	RevocationID string
}

// Authenticated reports whether the principal is somebody.
func (p Principal) Authenticated() bool { return p.Kind != KindNobody }

// HasScope reports whether the principal's credential allows scope; "admin"
// stands for every scope but [ScopeImpersonate].
func (p Principal) HasScope(scope string) bool {
	if slices.Contains(p.Scopes, scope) {
		return true
	}
	return scope != ScopeImpersonate && slices.Contains(p.Scopes, ScopeAdmin)
}

// HasRole reports whether the principal has the role.
func (p Principal) HasRole(role string) bool { return slices.Contains(p.Roles, role) }

type principalKey struct{}

// WithPrincipal returns a context that carries p.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalFrom returns the context's principal, or nobody.
func PrincipalFrom(ctx context.Context) Principal {
	p, _ := ctx.Value(principalKey{}).(Principal)
	return p
}
