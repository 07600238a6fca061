package rest

import (
	"context"
	"encoding/base64"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse.example/internal/rbac"
	"gatehouse.example/services/user"
)

// Permission is a permission's representation.
type Permission struct {
	Name        string `json:"name" example:"articles:write"`
	Description string `json:"description"`
	Builtin     bool   `json:"builtin" doc:"One of Gatehouse's own API"`
}

// NewPermission is the body that makes a permission known.
type NewPermission struct {
	Name        string `json:"name" doc:"resource:action" example:"articles:write"`
	Description string `json:"description,omitempty"`
}

type (
	permissionOutput struct {
		Location string `header:"Location"`
		Body     Permission
	}
	permissionsPage struct {
		Items      []Permission `json:"items" nullable:"false"`
		NextCursor *string      `json:"next_cursor" nullable:"true"`
	}
	permissionListOutput struct{ Body permissionsPage }
	namePageInput        struct {
		Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
		Cursor string `query:"cursor" maxLength:"512" doc:"next_cursor of the page before"`
	}
)

func (a *api) permissionOperations() {
	register(a, huma.Operation{
		OperationID: "listPermissions", Method: http.MethodGet, Path: "/v1/permissions", Tags: []string{"roles"},
		Summary: "List permissions by name, those of Gatehouse's own API included",
	}, a.listPermissions)
	register(a, huma.Operation{
		OperationID: "createPermission", Method: http.MethodPost, Path: "/v1/permissions", Tags: []string{"roles"},
		Summary: "Make a permission of an application known", DefaultStatus: http.StatusCreated, RequestBody: body[NewPermission](a, false),
	}, a.createPermission)
	register(a, huma.Operation{
		OperationID: "deletePermission", Method: http.MethodDelete, Path: "/v1/permissions/{name}", Tags: []string{"roles"},
		Summary: "Delete a permission that no role has", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *namedInput) (*struct{}, error) {
		if err := require(ctx, rbac.RolesWrite); err != nil {
			return nil, err
		}
		return nil, a.roles.DeletePermission(ctx, in.Name)
	})
}

func (a *api) listPermissions(ctx context.Context, in *namePageInput) (*permissionListOutput, error) {
	if err := require(ctx, rbac.RolesRead); err != nil {
		return nil, err
	}
	after, err := nameAfter(in.Cursor)
	if err != nil {
		return nil, err
	}
	list, more, err := a.roles.Permissions(ctx, after, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &permissionListOutput{Body: permissionsPage{Items: make([]Permission, 0, len(list))}}
	for _, p := range list {
		out.Body.Items = append(out.Body.Items, Permission{Name: p.Name, Description: p.Description, Builtin: p.Builtin})
	}
	if more {
		out.Body.NextCursor = nameCursor(list[len(list)-1].Name)
	}
	return out, nil
}

func (a *api) createPermission(ctx context.Context, in *createInput) (*permissionOutput, error) {
	if err := require(ctx, rbac.RolesWrite); err != nil {
		return nil, err
	}
	n, err := decode[NewPermission](a, in.RawBody)
	if err != nil {
		return nil, err
	}
	key, err := idempotencyKey(ctx, in.IdempotencyKey, in.RawBody)
	if err != nil {
		return nil, err
	}
	p, err := a.roles.CreatePermission(ctx, user.Permission{Name: n.Name, Description: n.Description}, key)
	if err != nil {
		return nil, err
	}
	return &permissionOutput{
		Location: "/v1/permissions/" + p.Name, Body: Permission{Name: p.Name, Description: p.Description, Builtin: p.Builtin},
	}, nil
}

// nameCursor is the cursor that goes on behind name in a list by name.
func nameCursor(name string) *string {
	c := base64.RawURLEncoding.EncodeToString([]byte(name))
	return &c
}

// nameAfter returns the name that a cursor goes on behind.
func nameAfter(cursor string) (string, error) {
	name, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || (cursor != "" && !rbac.ValidRoleName(string(name)) && !rbac.ValidPermission(string(name))) {
		return "", badParameter("query", "cursor", "is not a next_cursor of this list")
	}
	return string(name), nil
}
