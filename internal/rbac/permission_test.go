package rbac_test

import (
	"strings"
	"testing"

	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/rbac"
)

func TestBuiltinPermissions(t *testing.T) {
	for i, p := range rbac.Builtin() {
		if !rbac.ValidPermission(p.Name) || rbac.IsWildcard(p.Name) || !rbac.IsBuiltin(p.Name) {
			t.Errorf("%s is no permission", p.Name)
		}
		if !strings.HasSuffix(p.Description, ".") {
			t.Errorf("%s: description %q is no sentence", p.Name, p.Description)
		}
		if rbac.All()[i] != p.Name {
			t.Errorf("All and Builtin differ at %d", i)
		}
	}
	if rbac.IsBuiltin("docs:read") || rbac.IsBuiltinRole("editor") || !rbac.IsBuiltinRole(rbac.RoleAdmin) || !rbac.IsBuiltinRole(rbac.RoleUser) {
		t.Error("what is built in is not told from the rest")
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]bool{
		"editor": true, "a": true, "a.b_c-9": true, strings.Repeat("a", 64): true,
		"": false, "Editor": false, "9a": false, "-a": false, "a b": false, "a\n": false, "a\x00": false, "ä": false, strings.Repeat("a", 65): false,
	} {
		if rbac.ValidRoleName(name) != want {
			t.Errorf("role %q: %v", name, !want)
		}
	}
	for name, want := range map[string]bool{
		"users:read": true, "a:b": true, "a.b:c_d-e.9": true, "users:*": true,
		"": false, "users": false, "users:": false, ":read": false, "*:read": false, "*:*": false, "users:re*": false, "users:**": false,
		"users:read:all": false, "Users:read": false, "users:Read": false, "users:read\n": false, "users: read": false,
		strings.Repeat("a", 65) + ":b": false, "a:" + strings.Repeat("b", 65): false,
	} {
		if rbac.ValidPermission(name) != want {
			t.Errorf("permission %q: %v", name, !want)
		}
	}
}

func TestCovers(t *testing.T) {
	for name, c := range map[string]struct {
		held       []string
		permission string
		want       bool
	}{
		"the same":               {[]string{"a:b", "docs:read"}, "docs:read", true},
		"its wildcard":           {[]string{"docs:*"}, "docs:read", true},
		"nothing":                {nil, "docs:read", false},
		"another action":         {[]string{"docs:write"}, "docs:read", false},
		"a longer resource":      {[]string{"doc:*"}, "docs:read", false},
		"the wildcard by itself": {[]string{"docs:*"}, "docs:*", true},
		"the wildcard by parts":  {[]string{"docs:read", "docs:write"}, "docs:*", false},
	} {
		if got := rbac.Covers(c.held, c.permission); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	p := identity.Principal{Kind: identity.KindUser, Subject: "ada", Scopes: []string{rbac.UsersRead}, Permissions: []string{"users:*"}}
	if !rbac.Allowed(p, rbac.UsersRead) || rbac.Allowed(p, rbac.UsersWrite) {
		t.Error("a wildcard counts for what the credential has the scope for, and no more")
	}
}
