package rest

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse.example/internal/problem"
	"gatehouse.example/internal/rbac"
	"gatehouse.example/services/user"
)

// Role is a role's representation.
type Role struct {
	Name        string    `json:"name" maxLength:"64" example:"editor"`
	Description string    `json:"description" maxLength:"500"`
	Permissions []string  `json:"permissions" nullable:"false" doc:"Its own, without those that it inherits"`
	Inherits    []string  `json:"inherits" nullable:"false" doc:"Roles whose permissions it has too"`
	Builtin     bool      `json:"builtin" readOnly:"true" doc:"Made by Gatehouse; nobody changes or deletes it"`
	CreatedAt   time.Time `json:"created_at" readOnly:"true"`
	UpdatedAt   time.Time `json:"updated_at" readOnly:"true"`
}

// NewRole is the body that makes a role.
type NewRole struct {
	Name        string   `json:"name" doc:"1 to 64 characters out of a-z, 0-9, dot, underscore and hyphen, the first of them a letter" example:"editor"`
	Description string   `json:"description,omitempty"`
	Permissions []string `json:"permissions,omitempty" nullable:"false" maxItems:"500" doc:"resource:action, or resource:* for every action; what nobody knows yet becomes known" example:"[\"articles:write\"]"`
	Inherits    []string `json:"inherits,omitempty" nullable:"false" maxItems:"50" doc:"Names of roles"`
}

// RolePatch is a merge patch for a [Role]. Read-only members may be present
// with the value that they have.
type RolePatch struct {
	Name        string   `json:"name,omitempty" readOnly:"true"`
	Description string   `json:"description,omitempty"`
	Permissions []string `json:"permissions,omitempty" nullable:"false" maxItems:"500"`
	Inherits    []string `json:"inherits,omitempty" nullable:"false" maxItems:"50"`
	Builtin     bool     `json:"builtin,omitempty" readOnly:"true"`
	CreatedAt   string   `json:"created_at,omitempty" readOnly:"true" format:"date-time"`
	UpdatedAt   string   `json:"updated_at,omitempty" readOnly:"true" format:"date-time"`
}

type (
	roleOutput struct {
		ETag string `header:"ETag"`
		Body Role
	}
	newRoleOutput struct {
		ETag     string `header:"ETag"`
		Location string `header:"Location"`
		Body     Role
	}
	rolesPage struct {
		Items      []Role  `json:"items" nullable:"false"`
		NextCursor *string `json:"next_cursor" nullable:"true"`
	}
	roleListOutput struct{ Body rolesPage }
	namedInput     struct {
		Name string `path:"name"`
	}
	patchRoleInput struct {
		Name    string `path:"name"`
		IfMatch string `header:"If-Match" doc:"The ETag that the change is based on"`
		RawBody []byte
	}
	deleteRoleInput struct {
		Name    string `path:"name"`
		IfMatch string `header:"If-Match"`
		Force   bool   `query:"force" doc:"Take the role from everyone who has it, and from roles that inherit it"`
	}
)

func (a *api) roleOperations() {
	register(a, huma.Operation{
		OperationID: "listRoles", Method: http.MethodGet, Path: "/v1/roles", Tags: []string{"roles"},
		Summary: "List roles by name",
	}, a.listRoles)
	register(a, huma.Operation{
		OperationID: "createRole", Method: http.MethodPost, Path: "/v1/roles", Tags: []string{"roles"},
		Summary: "Make a role", DefaultStatus: http.StatusCreated, RequestBody: body[NewRole](a, false),
	}, a.createRole)
	register(a, huma.Operation{
		OperationID: "getRole", Method: http.MethodGet, Path: "/v1/roles/{name}", Tags: []string{"roles"},
		Summary: "Read a role",
	}, func(ctx context.Context, in *namedInput) (*roleOutput, error) {
		if err := require(ctx, rbac.RolesRead); err != nil {
			return nil, err
		}
		r, err := a.roles.Role(ctx, in.Name)
		if err != nil {
			return nil, err
		}
		return roleAnswer(r), nil
	})
	register(a, huma.Operation{
		OperationID: "updateRole", Method: http.MethodPatch, Path: "/v1/roles/{name}", Tags: []string{"roles"},
		Summary: "Change a role by merge patch", RequestBody: body[RolePatch](a, true),
	}, a.patchRole)
	register(a, huma.Operation{
		OperationID: "deleteRole", Method: http.MethodDelete, Path: "/v1/roles/{name}", Tags: []string{"roles"},
		Summary: "Delete a role", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *deleteRoleInput) (*struct{}, error) {
		if err := require(ctx, rbac.RolesWrite); err != nil {
			return nil, err
		}
		return nil, a.roles.Delete(ctx, in.Name, in.Force, func(r user.Role) error { return rolePrecondition(in.IfMatch, r) })
	})
}

func roleTag(r user.Role) string { return `"` + strconv.FormatInt(r.Version, 10) + `"` }

func rolePrecondition(ifMatch string, r user.Role) error {
	if ifMatch == "" || matches(ifMatch, roleTag(r)) {
		return nil
	}
	return problem.New(http.StatusPreconditionFailed, codePrecondition, "the role was changed since it was read; read it again")
}

func representRole(r user.Role) Role {
	return Role{
		Name: r.Name, Description: r.Description, Permissions: append([]string{}, r.Permissions...),
		Inherits: append([]string{}, r.Inherits...), Builtin: r.Builtin, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
}

func roleAnswer(r user.Role) *roleOutput {
	return &roleOutput{ETag: roleTag(r), Body: representRole(r)}
}

func (a *api) listRoles(ctx context.Context, in *namePageInput) (*roleListOutput, error) {
	if err := require(ctx, rbac.RolesRead); err != nil {
		return nil, err
	}
	after, err := nameAfter(in.Cursor)
	if err != nil {
		return nil, err
	}
	roles, more, err := a.roles.Roles(ctx, after, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &roleListOutput{Body: rolesPage{Items: make([]Role, 0, len(roles))}}
	for _, r := range roles {
		out.Body.Items = append(out.Body.Items, representRole(r))
	}
	if more {
		out.Body.NextCursor = nameCursor(roles[len(roles)-1].Name)
	}
	return out, nil
}

func (a *api) createRole(ctx context.Context, in *createInput) (*newRoleOutput, error) {
	if err := require(ctx, rbac.RolesWrite); err != nil {
		return nil, err
	}
	n, err := decode[NewRole](a, in.RawBody)
	if err != nil {
		return nil, err
	}
	key, err := idempotencyKey(ctx, in.IdempotencyKey, in.RawBody)
	if err != nil {
		return nil, err
	}
	r, err := a.roles.Create(ctx, user.NewRole{
		Name: n.Name, Description: n.Description, Permissions: n.Permissions, Inherits: n.Inherits, Key: key,
	})
	if err != nil {
		return nil, unknownAt("/inherits", n.Inherits, err)
	}
	return &newRoleOutput{ETag: roleTag(r), Location: "/v1/roles/" + r.Name, Body: representRole(r)}, nil
}

func (a *api) patchRole(ctx context.Context, in *patchRoleInput) (*roleOutput, error) {
	if err := require(ctx, rbac.RolesWrite); err != nil {
		return nil, err
	}
	var wanted []string
	r, err := a.roles.Update(ctx, in.Name, func(r *user.Role) error {
		if err := rolePrecondition(in.IfMatch, *r); err != nil {
			return err
		}
		before := representRole(*r)
		after, err := merge[RolePatch](a, before, in.RawBody)
		if err != nil {
			return err
		}
		if found := readOnlyOfRole(before, after); len(found) > 0 {
			return problem.New(http.StatusUnprocessableEntity, codeInvalid, "some members cannot be changed").With(found...)
		}
		wanted = after.Inherits
		r.Description, r.Permissions, r.Inherits = after.Description, present(after.Permissions), present(after.Inherits)
		return nil
	})
	if err != nil {
		return nil, unknownAt("/inherits", wanted, err)
	}
	return roleAnswer(r), nil
}

// present is never nil: null in a merge patch removes, and an absent list is
// an empty one.
func present(list []string) []string { return append([]string{}, list...) }

func readOnlyOfRole(before, after Role) []problem.Violation {
	var found []problem.Violation
	for _, m := range []struct {
		differs bool
		pointer string
	}{
		{after.Name != before.Name, "/name"},
		{after.Builtin != before.Builtin, "/builtin"},
		{!after.CreatedAt.Equal(before.CreatedAt), "/created_at"},
		{!after.UpdatedAt.Equal(before.UpdatedAt), "/updated_at"},
	} {
		if m.differs {
			found = append(found, problem.Violation{Pointer: m.pointer, Detail: "is read-only"})
		}
	}
	return found
}

// unknownAt turns roles that do not exist into violations at their places in
// the list below pointer.
func unknownAt(pointer string, list []string, err error) error {
	var unknown *user.UnknownRoles
	if !errors.As(err, &unknown) {
		return err
	}
	bad := &user.Invalid{}
	for i, name := range list {
		if slices.Contains(unknown.Names, name) {
			bad.Add(pointer+"/"+strconv.Itoa(i), "there is no such role")
		}
	}
	if len(bad.Violations) == 0 {
		bad.Add(pointer, unknown.Error())
	}
	return bad
}
