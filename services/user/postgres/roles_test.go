package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"gatehouse.example/internal/event"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/rbac"
	"gatehouse.example/services/user"
)

// rolesFixture adds the use cases on roles, with the notices that they send.
type rolesFixture struct {
	*fixture
	roles *user.Roles
	// operator is a client with the scope admin.
	operator context.Context

	mu      sync.Mutex
	notices []string
}

func setUpRoles(t *testing.T) *rolesFixture {
	t.Helper()
	f := &rolesFixture{fixture: setUp(t)}
	f.operator = identity.WithPrincipal(t.Context(), identity.Principal{Kind: identity.KindClient, Subject: "ops", Scopes: []string{"admin"}})
	f.roles = user.NewRoles(f.store, user.Options{Notify: func(_ context.Context, subject string, data []byte) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.notices = append(f.notices, strings.TrimSpace(subject+" "+string(data)))
		return nil
	}})
	return f
}

// as is the context of a user's request.
func as(ctx context.Context, u user.User) context.Context {
	return identity.WithPrincipal(ctx, identity.Principal{Kind: identity.KindUser, Subject: u.ID.String(), Scopes: []string{"users:write", "roles:write"}})
}

func (f *rolesFixture) define(t *testing.T, name string, permissions, inherits []string) user.Role {
	t.Helper()
	r, err := f.roles.Create(f.operator, user.NewRole{Name: name, Permissions: permissions, Inherits: inherits})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (f *rolesFixture) person(t *testing.T, name string, roles ...string) user.User {
	t.Helper()
	return f.create(t, user.New{Email: name + "@example.com", EmailVerified: true, Roles: roles})
}

func (f *rolesFixture) assign(ctx context.Context, id uuid.UUID, roles ...string) error {
	_, err := f.accounts.Update(ctx, id, func(u *user.User) error { u.Roles = slices.Clone(roles); return nil })
	return err
}

func TestBuiltinRolesAreThere(t *testing.T) {
	f := setUpRoles(t)
	roles, more, err := f.roles.Roles(t.Context(), "", 10)
	if err != nil || more || len(roles) != 2 {
		t.Fatalf("roles = %v, %v, %v", roles, more, err)
	}
	for i, name := range []string{rbac.RoleAdmin, rbac.RoleUser} {
		if roles[i].Name != name || !roles[i].Builtin || roles[i].Description == "" {
			t.Errorf("role %+v", roles[i])
		}
	}
	if diff := cmp.Diff(rbac.All(), roles[0].Permissions); diff != "" {
		t.Errorf("permissions of admin:\n%s", diff)
	}
	// What an operator adds, admin has too.
	f.define(t, "editor", []string{"articles:write"}, nil)
	admin := f.person(t, "ada", rbac.RoleAdmin)
	rights, err := f.roles.Rights(t.Context(), admin.ID)
	if err != nil {
		t.Fatal(err)
	}
	want := slices.Sorted(slices.Values(append(rbac.All(), "articles:write")))
	if diff := cmp.Diff(want, rights.Permissions); diff != "" {
		t.Errorf("rights of an administrator:\n%s", diff)
	}
}

func TestConcurrentCycle(t *testing.T) {
	f := setUpRoles(t)
	for i := range 20 {
		a, b := fmt.Sprintf("a%d", i), fmt.Sprintf("b%d", i)
		f.define(t, a, nil, nil)
		f.define(t, b, nil, nil)
		accepted := race(2, func(n int) error {
			name, parent := a, b
			if n == 1 {
				name, parent = b, a
			}
			_, err := f.roles.Update(f.operator, name, func(r *user.Role) error { r.Inherits = []string{parent}; return nil })
			var cycle *user.RoleCycle
			if err != nil && !errors.As(err, &cycle) {
				t.Errorf("%s inherits %s: %v", name, parent, err)
			}
			return err
		})
		if accepted != 1 {
			t.Fatalf("round %d: %d of two changes that make a cycle together were accepted", i, accepted)
		}
	}
}

// TestLastAdministrators lets the last two administrators take the role from
// each other, or suspend or delete each other or themselves, at the same time.
func TestLastAdministrators(t *testing.T) {
	f := setUpRoles(t)
	shut := func(s user.Status) func(context.Context, uuid.UUID) error {
		return func(ctx context.Context, id uuid.UUID) error {
			_, err := f.accounts.Update(ctx, id, func(u *user.User) error { u.Status = s; return nil })
			return err
		}
	}
	ways := []func(context.Context, uuid.UUID) error{
		func(ctx context.Context, id uuid.UUID) error { return f.assign(ctx, id) },
		shut(user.StatusSuspended),
		func(ctx context.Context, id uuid.UUID) error { return f.accounts.Delete(ctx, id, nil) },
	}
	a, b := f.person(t, "a", rbac.RoleAdmin), f.person(t, "b", rbac.RoleAdmin)
	for i := range 50 {
		way, self := ways[i%len(ways)], i%2 == 1
		race(2, func(n int) error {
			by, on := a, b
			if n == 1 {
				by, on = b, a
			}
			if self {
				on = by
			}
			err := way(as(context.Background(), by), on.ID)
			var lacking *user.Lacking
			var escalation *user.Escalation
			if err != nil && !errors.Is(err, user.ErrLastAdmin) && !errors.Is(err, user.ErrOutranked) && !errors.As(err, &lacking) && !errors.As(err, &escalation) {
				t.Errorf("round %d: %v", i, err)
			}
			return err
		})
		var left []uuid.UUID
		err := f.db.Bun.NewRaw(`SELECT u.id FROM users u JOIN user_roles r ON r.user_id = u.id WHERE r.role = 'admin' AND u.status = 'active'`).Scan(t.Context(), &left)
		if err != nil || len(left) != 1 {
			t.Fatalf("round %d: %d active administrators left, %v", i, len(left), err)
		}
		// The one that is left makes another for the next round.
		if left[0] == b.ID {
			a = b
		}
		b = f.person(t, fmt.Sprintf("next%d", i))
		if err := f.assign(as(t.Context(), a), b.ID, rbac.RoleAdmin); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
	}
}

func TestAssignWhileTheRoleIsDeleted(t *testing.T) {
	f := setUpRoles(t)
	for i := range 30 {
		name := fmt.Sprintf("r%d", i)
		f.define(t, name, []string{"docs:read"}, nil)
		u, v := f.person(t, fmt.Sprintf("u%d", i)), f.person(t, fmt.Sprintf("v%d", i), name)
		race(3, func(n int) error {
			var err error
			switch n {
			case 0:
				err = f.assign(f.operator, u.ID, name)
			case 1:
				err = f.assign(f.operator, v.ID)
			case 2:
				err = f.roles.Delete(f.operator, name, i%2 == 0, nil)
			}
			var unknown *user.UnknownRoles
			var inUse *user.RoleInUse
			if err != nil && !errors.As(err, &unknown) && !errors.As(err, &inUse) {
				t.Errorf("round %d: %v", i, err)
			}
			return err
		})
		_, err := f.roles.Role(t.Context(), name)
		gone := errors.Is(err, user.ErrRoleNotFound)
		got, err := f.store.ByID(t.Context(), u.ID)
		if err != nil || gone && len(got.Roles) > 0 {
			t.Errorf("round %d: the role is gone: %v; the user has %v, %v", i, gone, got.Roles, err)
		}
	}
}

func TestForcedDeletion(t *testing.T) {
	f := setUpRoles(t)
	f.define(t, "base", []string{"docs:read"}, nil)
	f.define(t, "lead", nil, []string{"base"})
	u := f.person(t, "ada", "base", "user")
	gone := f.person(t, "gone", "base")
	if err := f.accounts.Delete(f.operator, gone.ID, nil); err != nil {
		t.Fatal(err)
	}
	var inUse *user.RoleInUse
	if err := f.roles.Delete(f.operator, "base", false, nil); !errors.As(err, &inUse) || inUse.Users != 1 || !slices.Equal(inUse.Roles, []string{"lead"}) {
		t.Fatalf("delete: %v", err)
	}
	f.notices = nil
	if err := f.roles.Delete(f.operator, "base", true, nil); err != nil {
		t.Fatal(err)
	}
	got, err := f.store.ByID(t.Context(), u.ID)
	if err != nil || !slices.Equal(got.Roles, []string{"user"}) || got.Version != u.Version+1 {
		t.Errorf("user = %+v, %v", got, err)
	}
	if types := f.events(t, u.ID); !slices.Contains(types, event.TypeUserRolesChanged) {
		t.Errorf("events of the user: %v", types)
	}
	lead, err := f.roles.Role(t.Context(), "lead")
	if err != nil || len(lead.Inherits) != 0 || lead.Version != 2 {
		t.Errorf("heir = %+v, %v", lead, err)
	}
	want := []string{event.NoticeRoles, event.NoticePrincipal("user", u.ID.String()) + " user " + u.ID.String()}
	if diff := cmp.Diff(want, f.notices); diff != "" {
		t.Errorf("notices:\n%s", diff)
	}
	var told []string
	if err := f.db.Bun.NewRaw(`SELECT type || ' ' || coalesce(event->'data'->>'action', '') FROM outbox WHERE aggregate IN ('base', 'lead') ORDER BY seq`).Scan(t.Context(), &told); err != nil {
		t.Fatal(err)
	}
	wantTold := []string{
		event.TypeRoleChanged + " ", event.TypeAuditRecorded + " role.created",
		event.TypeRoleChanged + " ", event.TypeAuditRecorded + " role.created",
		event.TypeRoleChanged + " ", event.TypeAuditRecorded + " role.updated",
		event.TypeRoleChanged + " ", event.TypeAuditRecorded + " role.deleted",
	}
	if diff := cmp.Diff(wantTold, told); diff != "" {
		t.Errorf("events of the roles:\n%s", diff)
	}
}

func TestIdempotentRole(t *testing.T) {
	f := setUpRoles(t)
	key := func(print string) *user.IdempotencyKey {
		return &user.IdempotencyKey{Actor: "client:ops", Key: "k", Fingerprint: []byte(print)}
	}
	made := race(10, func(int) error {
		_, err := f.roles.Create(f.operator, user.NewRole{Name: "editor", Key: key("one")})
		return err
	})
	if made != 10 {
		t.Errorf("%d of 10 equal requests succeeded", made)
	}
	if _, err := f.roles.Create(f.operator, user.NewRole{Name: "writer", Key: key("two")}); !errors.Is(err, user.ErrKeyReused) {
		t.Errorf("another request with the key: %v", err)
	}
	if _, err := f.roles.Create(f.operator, user.NewRole{Name: "editor"}); !errors.Is(err, user.ErrRoleTaken) {
		t.Errorf("again without a key: %v", err)
	}
	if _, err := f.roles.CreatePermission(f.operator, user.Permission{Name: "docs:read"}, key("three")); err != nil {
		t.Errorf("the key is another operation's: %v", err)
	}
	if err := f.roles.Delete(f.operator, "editor", false, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := f.roles.Create(f.operator, user.NewRole{Name: "editor", Key: key("one")}); err != nil {
		t.Errorf("after the deletion the key is free: %v", err)
	}
}

// TestWhoMayHandOn holds every way to raise somebody against what the one who
// asks has itself, in the database and not in its credential.
func TestWhoMayHandOn(t *testing.T) {
	f := setUpRoles(t)
	f.define(t, "reader", []string{"docs:read", rbac.UsersRead}, nil)
	f.define(t, "manager", []string{rbac.RolesWrite, rbac.UsersWrite, "docs:*"}, []string{"reader"})
	f.define(t, "auditor", []string{rbac.AuditRead}, nil)
	f.define(t, "payer", []string{"payments:approve"}, nil)
	manager, boss, plain := f.person(t, "manager", "manager"), f.person(t, "boss", rbac.RoleAdmin), f.person(t, "plain")
	second := f.person(t, "second", rbac.RoleAdmin)
	if _, err := f.accounts.Update(f.operator, boss.ID, func(u *user.User) error { u.Username = "boss"; return nil }); err != nil {
		t.Fatal(err)
	}
	outsider := f.person(t, "outsider")
	by := func(p identity.Principal) context.Context { return identity.WithPrincipal(t.Context(), p) }
	partner := by(identity.Principal{Kind: identity.KindClient, Subject: "partner", Scopes: []string{rbac.RolesWrite, rbac.UsersWrite, rbac.UsersRead, "docs:read"}})
	forged := by(identity.Principal{Kind: identity.KindUser, Subject: outsider.ID.String(), Roles: []string{"admin"}, Scopes: []string{"admin"}, Permissions: rbac.All()})
	role := func(ctx context.Context, name string, permissions, inherits []string) func() error {
		return func() error {
			_, err := f.roles.Create(ctx, user.NewRole{Name: name, Permissions: permissions, Inherits: inherits})
			return err
		}
	}
	alter := func(ctx context.Context, name string, fn func(*user.Role)) func() error {
		return func() error {
			_, err := f.roles.Update(ctx, name, func(r *user.Role) error { fn(r); return nil })
			return err
		}
	}
	give := func(ctx context.Context, u user.User, roles ...string) func() error {
		return func() error { return f.assign(ctx, u.ID, roles...) }
	}
	edit := func(ctx context.Context, u user.User, fn func(*user.User)) func() error {
		return func() error {
			_, err := f.accounts.Update(ctx, u.ID, func(u *user.User) error { fn(u); return nil })
			return err
		}
	}
	suspend := func(u *user.User) { u.Status = user.StatusSuspended }
	for name, c := range map[string]struct {
		do   func() error
		fine bool
	}{
		"manager gives what it has":              {give(as(t.Context(), manager), plain, "reader"), true},
		"manager defines what it has":            {role(as(t.Context(), manager), "m1", []string{"docs:write", rbac.UsersRead}, []string{"reader"}), true},
		"manager gives more":                     {give(as(t.Context(), manager), plain, "auditor"), false},
		"manager gives itself more":              {give(as(t.Context(), manager), manager, "manager", "auditor"), false},
		"manager gives admin":                    {give(as(t.Context(), manager), manager, rbac.RoleAdmin), false},
		"manager takes admin":                    {give(as(t.Context(), manager), boss), false},
		"manager defines more":                   {role(as(t.Context(), manager), "m2", []string{rbac.AuditRead}, nil), false},
		"manager defines a wider wildcard":       {role(as(t.Context(), manager), "m3", []string{"users:*"}, nil), false},
		"manager adds more to its own role":      {alter(as(t.Context(), manager), "manager", func(r *user.Role) { r.Permissions = append(r.Permissions, rbac.AuditRead) }), false},
		"manager lets its own role inherit more": {alter(as(t.Context(), manager), "manager", func(r *user.Role) { r.Inherits = append(r.Inherits, "auditor") }), false},
		"manager describes a role of others":     {alter(as(t.Context(), manager), "auditor", func(r *user.Role) { r.Description = "Reads the log." }), true},
		"manager inherits more":                  {role(as(t.Context(), manager), "m4", nil, []string{"auditor"}), false},
		"manager suspends an administrator":      {edit(as(t.Context(), manager), boss, suspend), false},
		"manager redirects an administrator":     {edit(as(t.Context(), manager), boss, func(u *user.User) { u.Email = "evil@example.com" }), false},
		"manager nicknames an administrator":     {edit(as(t.Context(), manager), boss, func(u *user.User) { u.Profile.Nickname = "b" }), true},
		"manager renames an administrator":       {edit(as(t.Context(), manager), boss, func(u *user.User) { u.Username = "nobody" }), false},
		"manager takes an administrator's name":  {edit(as(t.Context(), manager), boss, func(u *user.User) { u.Username = "" }), false},
		"manager renames a plain person":         {edit(as(t.Context(), manager), plain, func(u *user.User) { u.Username = "plain2" }), true},
		"manager renames itself":                 {edit(as(t.Context(), manager), manager, func(u *user.User) { u.Username = "manager2" }), true},
		"boss renames another administrator":     {edit(as(t.Context(), boss), second, func(u *user.User) { u.Username = "second" }), true},
		"a client renames an administrator":      {edit(partner, boss, func(u *user.User) { u.Username = "partner" }), false},
		"manager suspends a plain person":        {edit(as(t.Context(), manager), f.person(t, "victim"), suspend), true},
		"boss redirects itself":                  {edit(as(t.Context(), boss), boss, func(u *user.User) { u.Email = "boss2@example.com" }), true},
		"boss gives everything":                  {give(as(t.Context(), boss), f.person(t, "heir"), rbac.RoleAdmin, "auditor"), true},
		"a forged credential gives":              {give(forged, outsider, "reader"), false},
		"a forged credential takes":              {give(forged, f.person(t, "holder", "reader")), false},
		"a forged credential defines":            {role(forged, "m5", nil, nil), false},
		"a forged credential suspends":           {edit(forged, f.person(t, "target"), suspend), false},
		"a client gives admin":                   {give(partner, plain, rbac.RoleAdmin), false},
		"a client gives what it lacks the scope": {give(partner, plain, "auditor"), false},
		"a client gives custom permissions":      {give(partner, f.person(t, "p1"), "reader"), true},
		"a client defines a built-in wildcard":   {role(partner, "m6", []string{"users:*"}, nil), false},
		"a client defines a custom wildcard":     {role(partner, "m7", []string{"docs:*"}, nil), false},
		"a client defines a custom permission":   {role(partner, "m9", []string{"docs:read"}, nil), true},
		"a client defines another's permission":  {role(partner, "m10", []string{"payments:approve"}, nil), false},
		"a client gives another's permission":    {give(partner, f.person(t, "p2"), "payer"), false},
		"a client redirects an administrator":    {edit(partner, boss, func(u *user.User) { u.Email = "evil@example.com" }), false},
		"anybody inherits admin":                 {role(f.operator, "m8", nil, []string{rbac.RoleAdmin}), false},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.do()
			if c.fine != (err == nil) {
				t.Errorf("error = %v", err)
			}
		})
	}
	for _, status := range []user.Status{user.StatusSuspended, user.StatusDeleted} {
		_, err := f.accounts.Update(f.operator, manager.ID, func(u *user.User) error {
			if u.Status = status; status == user.StatusDeleted {
				u.DeletedAt = f.now
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		var lacking *user.Lacking
		if _, err := f.roles.Create(as(t.Context(), manager), user.NewRole{Name: "late"}); !errors.As(err, &lacking) {
			t.Errorf("a %s manager defines a role: %v", status, err)
		}
		if err := f.assign(as(t.Context(), manager), plain.ID, "reader", "user"); !errors.As(err, &lacking) {
			t.Errorf("a %s manager gives a role: %v", status, err)
		}
	}
}
