package rbac_test

import (
	"slices"
	"testing"

	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/rbac"
)

func TestPermissions(t *testing.T) {
	if got := rbac.Permissions([]string{"other", rbac.RoleAdmin}); !slices.Equal(got, rbac.All()) {
		t.Errorf("admin: %v", got)
	}
	for _, roles := range [][]string{nil, {rbac.RoleUser}, {"Admin"}, {"made-up"}} {
		if got := rbac.Permissions(roles); len(got) != 0 {
			t.Errorf("%v: %v", roles, got)
		}
	}
	if all := rbac.All(); !slices.IsSorted(all) || len(slices.Compact(all)) != len(rbac.All()) {
		t.Errorf("All is not sorted and unique: %v", all)
	}
}

func TestAllowed(t *testing.T) {
	for name, test := range map[string]struct {
		principal identity.Principal
		want      bool
	}{
		"nobody":                         {identity.Principal{Scopes: []string{rbac.UsersRead}, Roles: []string{rbac.RoleAdmin}}, false},
		"client with scope":              {identity.Principal{Kind: identity.KindClient, Scopes: []string{rbac.UsersRead}}, true},
		"client with admin":              {identity.Principal{Kind: identity.KindClient, Scopes: []string{identity.ScopeAdmin}}, true},
		"client without scope":           {identity.Principal{Kind: identity.KindClient, Scopes: []string{rbac.UsersWrite}, Roles: []string{rbac.RoleAdmin}}, false},
		"user with scope and role":       {identity.Principal{Kind: identity.KindUser, Scopes: []string{rbac.UsersRead}, Roles: []string{rbac.RoleAdmin}}, true},
		"user with scope alone":          {identity.Principal{Kind: identity.KindUser, Scopes: []string{rbac.UsersRead}}, false},
		"user with role alone":           {identity.Principal{Kind: identity.KindUser, Roles: []string{rbac.RoleAdmin}}, false},
		"user with scope and other role": {identity.Principal{Kind: identity.KindUser, Scopes: []string{rbac.UsersRead}, Roles: []string{rbac.RoleUser}}, false},
		"service":                        {identity.Principal{Kind: identity.KindService, Subject: "email", Scopes: []string{identity.ScopeAdmin}}, false},
		"unknown kind":                   {identity.Principal{Kind: "robot", Scopes: []string{rbac.UsersRead}, Roles: []string{rbac.RoleAdmin}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := rbac.Allowed(test.principal, rbac.UsersRead); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}
