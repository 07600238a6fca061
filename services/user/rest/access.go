package rest

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/problem"
	"gatehouse.example/internal/rbac"
	"gatehouse.example/services/user"
)

// access is what the caller may do to the user it named.
type access struct {
	id uuid.UUID
	// self: the caller is that person.
	self bool
	// permitted: the caller has the permission for everyone.
	permitted bool
}

// reach resolves the id of a path ("me" is the caller) and refuses a caller who
// is neither that person nor has the permission. The refusal comes before the
// lookup, so that it does not tell who exists.
func reach(ctx context.Context, id, permission string) (access, error) {
	p := identity.PrincipalFrom(ctx)
	if id == "me" {
		if p.Kind != identity.KindUser {
			return access{}, problem.New(http.StatusForbidden, codeNotAUser, "only a person's own credential has a user behind it")
		}
		id = p.Subject
	}
	a := access{
		self:      p.Kind == identity.KindUser && p.Subject == id,
		permitted: rbac.Allowed(p, permission),
	}
	if !a.self && !a.permitted {
		return access{}, lacks(permission)
	}
	var err error
	// Parse also takes braces, URNs and bare hex; an id has one spelling.
	if a.id, err = uuid.Parse(id); err != nil || a.id.String() != id {
		return access{}, user.ErrNotFound
	}
	return a, nil
}

// require refuses a caller without the permission.
func require(ctx context.Context, permission string) error {
	if !rbac.Allowed(identity.PrincipalFrom(ctx), permission) {
		return lacks(permission)
	}
	return nil
}

func lacks(permission string) error {
	return problem.Newf(http.StatusForbidden, codeForbidden, "this needs the permission %s", permission)
}

// own refuses a person whose account an administrator has shut: its access
// token lives on for some minutes.
func (x access) own(u user.User) error {
	if x.self && !x.permitted && u.Status == user.StatusSuspended {
		return problem.New(http.StatusForbidden, codeForbidden, "the account is suspended")
	}
	return nil
}
