package rest

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/problem"
	"gatehouse.example/internal/rbac"
	"gatehouse.example/services/user"
)

// Question is the body that asks whether somebody may do something.
type Question struct {
	Permission string `json:"permission" doc:"resource:action" example:"articles:write"`
	UserID     string `json:"user_id,omitempty" format:"uuid" doc:"Whom it is about; the caller where it is absent. Asking about others needs roles:read"`
}

// Decision is the answer to a [Question].
type Decision struct {
	Allowed bool     `json:"allowed"`
	Reason  string   `json:"reason" doc:"For people"`
	Code    string   `json:"code" enum:"granted,scope_missing,permission_missing,account_not_active,not_found"`
	Roles   []string `json:"roles" nullable:"false" doc:"The assigned roles that permit it"`
}

type (
	questionInput  struct{ RawBody []byte }
	decisionOutput struct{ Body Decision }
)

func (a *api) authorizeOperations() {
	register(a, huma.Operation{
		OperationID: "authorize", Method: http.MethodPost, Path: "/v1/authorize", Tags: []string{"roles"},
		Summary: "Ask whether a user or the caller may do something right now, and why", RequestBody: body[Question](a, false),
	}, a.authorize)
}

func (a *api) authorize(ctx context.Context, in *questionInput) (*decisionOutput, error) {
	q, err := decode[Question](a, in.RawBody)
	if err != nil {
		return nil, err
	}
	p := identity.PrincipalFrom(ctx)
	var d user.Decision
	if q.UserID == "" || p.Kind == identity.KindUser && q.UserID == p.Subject {
		d, err = a.roles.Decide(ctx, p, q.Permission)
	} else {
		if err := require(ctx, rbac.RolesRead); err != nil {
			return nil, err
		}
		id, bad := uuid.Parse(q.UserID)
		if bad != nil {
			return nil, invalid("/user_id", "must be a UUID")
		}
		d, err = a.roles.DecideFor(ctx, id, q.Permission)
	}
	if err != nil {
		return nil, err
	}
	return &decisionOutput{Body: Decision{Allowed: d.Allowed, Reason: d.Reason, Code: d.Code, Roles: d.Roles}}, nil
}

// CodeLastAdmin is the code of the 409 that keeps the last active administrator.
const CodeLastAdmin = "last_admin"

// The codes of problems with roles.
const (
	codeRoleNotFound       = "role_not_found"
	codeRoleTaken          = "role_taken"
	codePermissionNotFound = "permission_not_found"
	codePermissionTaken    = "permission_taken"
	codeBuiltin            = "builtin"
	codeInUse              = "in_use"
	codeCycle              = "role_cycle"
	codeEscalation         = "escalation"
	codeOutranked          = "outranked"
)

// roleProblem is the part of [problemOf] about roles.
func roleProblem(err error) *problem.Problem {
	var (
		cycle      *user.RoleCycle
		inUse      *user.RoleInUse
		escalation *user.Escalation
		lacking    *user.Lacking
		unknown    *user.UnknownRoles
	)
	switch {
	case errors.Is(err, user.ErrRoleNotFound):
		return problem.New(http.StatusNotFound, codeRoleNotFound, "there is no such role")
	case errors.Is(err, user.ErrPermissionNotFound):
		return problem.New(http.StatusNotFound, codePermissionNotFound, "there is no such permission")
	case errors.Is(err, user.ErrRoleTaken):
		return problem.New(http.StatusConflict, codeRoleTaken, "there is a role with this name").
			With(problem.Violation{Pointer: "/name", Detail: "is taken"})
	case errors.Is(err, user.ErrPermissionTaken):
		return problem.New(http.StatusConflict, codePermissionTaken, "there is a permission with this name").
			With(problem.Violation{Pointer: "/name", Detail: "is taken"})
	case errors.Is(err, user.ErrBuiltin):
		return problem.New(http.StatusConflict, codeBuiltin, user.ErrBuiltin.Error())
	case errors.Is(err, user.ErrLastAdmin):
		return problem.New(http.StatusConflict, CodeLastAdmin, user.ErrLastAdmin.Error())
	case errors.Is(err, user.ErrOutranked):
		return problem.New(http.StatusForbidden, codeOutranked, user.ErrOutranked.Error())
	case errors.As(err, &cycle):
		return problem.New(http.StatusConflict, codeCycle, cycle.Error()).
			With(problem.Violation{Pointer: "/inherits", Detail: cycle.Error()})
	case errors.As(err, &inUse):
		return problem.New(http.StatusConflict, codeInUse, inUse.Error())
	case errors.As(err, &escalation):
		return problem.New(http.StatusForbidden, codeEscalation, escalation.Error())
	case errors.As(err, &lacking):
		return problem.New(http.StatusForbidden, codeForbidden, lacking.Error())
	case errors.As(err, &unknown):
		return problem.New(http.StatusUnprocessableEntity, codeInvalid, unknown.Error())
	}
	return nil
}
