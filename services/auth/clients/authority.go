package clients

import (
	"fmt"
	"net/http"
	"slices"

	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/problem"
	"gatehouse.example/internal/rbac"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/rest"
)

// administrator reports whether the caller may give everything: a person with
// the role admin, or a client with the scope admin.
func administrator(caller identity.Principal) bool {
	switch caller.Kind {
	case identity.KindUser:
		return caller.HasRole(rbac.RoleAdmin)
	case identity.KindClient:
		return caller.HasScope(identity.ScopeAdmin)
	}
	return false
}

// mayGive reports whether the caller may let a client have the scope. A scope
// that is a permission, ours or the operator's, needs the caller to have it:
// whoever signs in through the client may have more than who registered it, and
// the registrar decides where that person's tokens go.
func mayGive(caller identity.Principal, scope string) bool {
	return !rbac.ValidPermission(scope) || administrator(caller) || rbac.Allowed(caller, scope)
}

// checkAuthority keeps a caller from a client that may do more than the caller
// itself, be it for itself or for people.
func (b *Registration) checkAuthority(wrong *violations, caller identity.Principal) {
	for i, s := range b.Scopes {
		if s != identity.ScopeImpersonate && !mayGive(caller, s) {
			wrong.add(fmt.Sprintf("/scopes/%d", i), "is more than you may do yourself")
		}
	}
	if b.Admin && !administrator(caller) {
		wrong.add("/admin", "can be given only by an administrator")
	}
	if b.FirstParty && !administrator(caller) {
		// People are not asked before such a client gets its tokens.
		wrong.add("/first_party", "can be given only by an administrator")
	}
}

// mayControl refuses a caller that could not have registered the client as it
// is: whoever changes where its tokens go, or gets to see its secret, may do all
// that it may.
func mayControl(caller identity.Principal, c auth.Client) error {
	var beyond violations
	b := registrationOf(c)
	b.checkAuthority(&beyond, caller)
	if len(beyond) > 0 {
		return problem.New(http.StatusForbidden, "insufficient_scope", "the client may do more than you may do yourself")
	}
	return nil
}

// caller returns who asks, as far as this credential goes. An API key has no
// scope admin, so that the role of its owner does not count for it either.
func (a *API) caller(r *http.Request) (p identity.Principal, byKey bool, err error) {
	p = identity.PrincipalFrom(r.Context())
	if byKey, err = rest.ByAPIKey(r.Context(), a.Keys, p); byKey {
		p.Roles = slices.DeleteFunc(slices.Clone(p.Roles), func(role string) bool { return role == rbac.RoleAdmin })
	}
	return p, byKey, err
}

// secretCaller is caller for what gives out a secret. One that an API key got
// would outlive the key.
func (a *API) secretCaller(r *http.Request) (identity.Principal, error) {
	p, byKey, err := a.caller(r)
	if err == nil && byKey {
		err = problem.New(http.StatusForbidden, "token_required", "an API key cannot make clients or rotate their secrets; use an access token")
	}
	return p, err
}
