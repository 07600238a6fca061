package user

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/rbac"
)

// The codes of a [Decision].
const (
	CodeGranted           = "granted"
	CodeScopeMissing      = "scope_missing"
	CodePermissionMissing = "permission_missing"
	CodeNotActive         = "account_not_active"
	CodeUserNotFound      = "not_found"
)

// Decision is the answer to whether somebody may do something.
type Decision struct {
	Allowed bool
	// Code is one of the Code constants, [CodeGranted] where Allowed.
	Code string
	// Reason says it to a person.
	Reason string
	// Roles are the assigned roles that permit it, sorted, never nil.
	Roles []string
}

// Rights returns what the user may do or [ErrNotFound].
func (r *Roles) Rights(ctx context.Context, id uuid.UUID) (Rights, error) {
	return r.store.Rights(ctx, id)
}

// Decide says whether p, by its credential, has the permission right now. One
// of Gatehouse's own needs the scope of its name too; a permission of the
// operator's own applications has none that a person's credential must show.
// Errors: [Invalid].
func (r *Roles) Decide(ctx context.Context, p identity.Principal, permission string) (Decision, error) {
	if err := askable(permission); err != nil {
		return Decision{}, err
	}
	scoped := p.HasScope(permission)
	if p.Kind != identity.KindUser {
		if !scoped || p.Kind != identity.KindClient {
			return refused(CodeScopeMissing, "the credential does not have the scope "+permission), nil
		}
		return Decision{Allowed: true, Code: CodeGranted, Reason: "the client has the scope " + permission, Roles: []string{}}, nil
	}
	id, err := uuid.Parse(p.Subject)
	if err != nil {
		return refused(CodeUserNotFound, "there is no such user"), nil
	}
	d, err := r.DecideFor(ctx, id, permission)
	if err == nil && d.Allowed && rbac.IsBuiltin(permission) && !scoped {
		d.Allowed, d.Code = false, CodeScopeMissing
		d.Reason = fmt.Sprintf("%s, but the credential does not have the scope %s", d.Reason, permission)
	}
	return d, err
}

// DecideFor says whether the user has the permission right now, whatever
// credential it uses. Errors: [Invalid].
func (r *Roles) DecideFor(ctx context.Context, id uuid.UUID, permission string) (Decision, error) {
	if err := askable(permission); err != nil {
		return Decision{}, err
	}
	g, err := r.store.Grants(ctx, id, permission)
	switch {
	case errors.Is(err, ErrNotFound):
		return refused(CodeUserNotFound, "there is no such user"), nil
	case err != nil:
		return Decision{}, err
	case g.Status != StatusActive:
		return refused(CodeNotActive, fmt.Sprintf("the account is %s", g.Status)), nil
	case len(g.Roles) == 0:
		return refused(CodePermissionMissing, "no role of the user permits "+permission), nil
	}
	return Decision{Allowed: true, Code: CodeGranted, Reason: because(g, permission), Roles: g.Roles}, nil
}

func because(g Grants, permission string) string {
	reason := fmt.Sprintf("%s permits %s", named(g.Roles), permission)
	inherited, _ := difference(g.Roles, g.From)
	if len(inherited) > 0 {
		reason += ", inherited from " + named(inherited)
	}
	return reason
}

func named(roles []string) string {
	if len(roles) == 1 {
		return "the role " + roles[0]
	}
	return "the roles " + strings.Join(roles, ", ")
}

func refused(code, reason string) Decision {
	return Decision{Code: code, Reason: reason, Roles: []string{}}
}

// askable refuses what no role can permit.
func askable(permission string) error {
	if rbac.ValidPermission(permission) {
		return nil
	}
	bad := &Invalid{}
	bad.Add("/permission", "must be resource:action such as users:read")
	return bad
}
