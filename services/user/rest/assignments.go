package rest

import (
	"context"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse.example/internal/rbac"
	"gatehouse.example/services/user"
)

// RoleAssignment is the body that assigns roles.
type RoleAssignment struct {
	Roles []string `json:"roles" nullable:"false" maxItems:"50" doc:"Names of all roles that the user has from now on"`
}

// Roles is what a user is allowed by its roles.
type Roles struct {
	Roles       []string `json:"roles" nullable:"false"`
	Permissions []string `json:"permissions" nullable:"false" doc:"What the roles permit together, inherited permissions included"`
}

type rolesOutput struct {
	ETag string `header:"ETag"`
	Body Roles
}

func (a *api) assignmentOperations() {
	register(a, huma.Operation{
		OperationID: "getUserRoles", Method: http.MethodGet, Path: "/v1/users/{id}/roles", Tags: []string{"roles"},
		Summary: "Read a user's roles, and what they permit",
	}, func(ctx context.Context, in *userInput) (*rolesOutput, error) { return a.getRoles(ctx, in.ID) })
	register(a, huma.Operation{
		OperationID: "setUserRoles", Method: http.MethodPut, Path: "/v1/users/{id}/roles", Tags: []string{"roles"},
		Summary: "Assign roles", RequestBody: body[RoleAssignment](a, false),
	}, a.setRoles)
	register(a, huma.Operation{
		OperationID: "getMyRoles", Method: http.MethodGet, Path: "/v1/me/roles", Tags: []string{"me"},
		Summary: "Read the caller's own roles, and what they permit",
	}, func(ctx context.Context, _ *nothing) (*rolesOutput, error) { return a.getRoles(ctx, "me") })
}

func (a *api) getRoles(ctx context.Context, id string) (*rolesOutput, error) {
	u, err := a.load(ctx, id)
	if err != nil {
		return nil, err
	}
	return a.rolesOf(ctx, u)
}

func (a *api) rolesOf(ctx context.Context, u user.User) (*rolesOutput, error) {
	rights, err := a.roles.Rights(ctx, u.ID)
	if err != nil {
		return nil, err
	}
	return &rolesOutput{ETag: etag(u), Body: Roles{Roles: rights.Roles, Permissions: rights.Permissions}}, nil
}

func (a *api) setRoles(ctx context.Context, in *changeInput) (*rolesOutput, error) {
	// Before reach: owning the account gives no right to raise it.
	if err := require(ctx, rbac.RolesWrite); err != nil {
		return nil, err
	}
	who, err := reach(ctx, in.ID, rbac.RolesWrite)
	if err != nil {
		return nil, err
	}
	wanted, err := decode[RoleAssignment](a, in.RawBody)
	if err != nil {
		return nil, err
	}
	bad := &user.Invalid{}
	for i, name := range wanted.Roles {
		// What cannot be a name is not asked for in the database.
		if !rbac.ValidRoleName(name) {
			bad.Add("/roles/"+strconv.Itoa(i), "there is no such role")
		}
	}
	if len(bad.Violations) > 0 {
		return nil, bad
	}
	u, err := a.accounts.Update(ctx, who.id, func(u *user.User) error {
		if err := precondition(in.IfMatch, *u); err != nil {
			return err
		}
		u.Roles = append([]string{}, wanted.Roles...)
		return nil
	})
	if err != nil {
		return nil, unknownAt("/roles", wanted.Roles, err)
	}
	return a.rolesOf(ctx, u)
}
