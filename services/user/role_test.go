package user

import (
	"slices"
	"strings"
	"testing"

	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/rbac"
)

func TestCycle(t *testing.T) {
	edges := map[string][]string{"b": {"c"}, "c": {"d", "e"}, "e": {"a"}, "x": {"y"}, "y": {"x"}}
	for name, c := range map[string]struct {
		inherits []string
		path     string
	}{
		"nothing":        {nil, ""},
		"a leaf":         {[]string{"d"}, ""},
		"itself":         {[]string{"a"}, "a a"},
		"a way back":     {[]string{"d", "b"}, "a b c e a"},
		"a loop outside": {[]string{"x"}, ""},
	} {
		if got := strings.Join(cycle("a", c.inherits, edges), " "); got != c.path {
			t.Errorf("%s: %q, want %q", name, got, c.path)
		}
	}
	// Many ways through few roles must not take many steps.
	wide := map[string][]string{}
	for layer := range 40 {
		for _, side := range []string{"l", "r"} {
			name := side + strings.Repeat("x", layer)
			wide[name] = []string{"l" + strings.Repeat("x", layer+1), "r" + strings.Repeat("x", layer+1)}
		}
	}
	if path := cycle("top", []string{"l", "r"}, wide); path != nil {
		t.Errorf("a cycle where there is none: %v", path)
	}
}

func TestAuthority(t *testing.T) {
	user := identity.Principal{Kind: identity.KindUser, Subject: "ada", Roles: []string{rbac.RoleAdmin}, Scopes: []string{"admin"}, Permissions: rbac.All()}
	rights := func(s Status, permissions ...string) *Rights { return &Rights{Status: s, Permissions: permissions} }
	client := func(scopes ...string) identity.Principal {
		return identity.Principal{Kind: identity.KindClient, Subject: "c", Scopes: scopes, Roles: []string{rbac.RoleAdmin}}
	}
	asked := []string{"docs:*", "docs:read", "users:*", rbac.UsersRead}
	for name, c := range map[string]struct {
		principal identity.Principal
		rights    *Rights
		lacks     []string
	}{
		"an administrator":         {user, &Rights{Status: StatusActive, Roles: []string{rbac.RoleAdmin}}, nil},
		"a user by its rights":     {user, rights(StatusActive, "docs:*", rbac.UsersRead), []string{"users:*"}},
		"a user without a row":     {user, nil, asked},
		"a suspended user":         {user, rights(StatusSuspended, asked...), asked},
		"a pending user":           {user, rights(StatusPending, asked...), asked},
		"a client with admin":      {client("admin"), nil, nil},
		"a client by its scopes":   {client(rbac.UsersRead, rbac.RolesWrite, "docs:read"), nil, []string{"docs:*", "users:*"}},
		"a client by wildcards":    {client(rbac.UsersRead, "docs:*", "users:*"), nil, []string{"docs:read", "users:*"}},
		"a client without a scope": {client(), nil, asked},
		"the program":              {identity.Principal{Kind: identity.KindService, Subject: "auth"}, nil, nil},
		"an unknown kind":          {identity.Principal{Kind: "robot", Scopes: []string{"admin"}}, nil, asked},
	} {
		t.Run(name, func(t *testing.T) {
			a := AuthorityOf(c.principal, c.rights)
			if got := a.Lacks(asked); !slices.Equal(got, c.lacks) {
				t.Errorf("lacks %v, want %v", got, c.lacks)
			}
			all := c.lacks == nil
			if err := a.MayAssign([]string{rbac.RoleAdmin}, nil, nil); (err == nil) != all {
				t.Errorf("gives admin: %v", err)
			}
			if err := a.MayAssign(nil, []string{rbac.RoleAdmin}, nil); (err == nil) != all {
				t.Errorf("takes admin: %v", err)
			}
		})
	}
}

// TestEscalationIsBrief: whoever asks for much does not make a long answer, nor
// a long line in a log.
func TestEscalationIsBrief(t *testing.T) {
	many := slices.Repeat([]string{strings.Repeat("a", 60) + ":read"}, 500)
	if text := (&Escalation{Permissions: many}).Error(); len(text) > 2000 || !strings.HasSuffix(text, ":read and 480 more") {
		t.Errorf("%d bytes: %.100s … %s", len(text), text, text[len(text)-30:])
	}
	if text := (&Escalation{Permissions: many[:2]}).Error(); strings.Contains(text, "more") {
		t.Error(text)
	}
}
