package postgres_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"gatehouse.example/internal/rbac"
	"gatehouse.example/services/user"
)

// model is roles as a map, worked out without SQL.
type model map[string]user.Role

// leadsTo reports whether from is, or inherits, to.
func (m model) leadsTo(from, to string) bool {
	return slices.Contains(m.closure([]string{from}), to)
}

func (m model) closure(roles []string) []string {
	set := map[string]bool{}
	for _, r := range roles {
		set[r] = true
	}
	for grown := true; grown; {
		grown = false
		for name := range set {
			for _, parent := range m[name].Inherits {
				if !set[parent] {
					set[parent], grown = true, true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// effective is what the roles permit; known is every permission there is.
func (m model) effective(roles []string, known map[string]bool) []string {
	set := map[string]bool{}
	for _, r := range m.closure(roles) {
		for _, p := range m[r].Permissions {
			set[p] = true
			if resource, isAll := strings.CutSuffix(p, ":*"); isAll {
				for k := range known {
					if strings.HasPrefix(k, resource+":") {
						set[k] = true
					}
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(set))
}

func some(rng *rand.Rand, of []string, most int) []string {
	list := []string{}
	for range rng.IntN(most + 1) {
		list = append(list, of[rng.IntN(len(of))])
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// TestRandomGraphs makes, changes and deletes roles at random and compares
// every outcome with a model: no cycle is ever accepted, none is refused
// without one, and what people may do is what the model says.
func TestRandomGraphs(t *testing.T) {
	f := setUpRoles(t)
	rng := rand.New(rand.NewPCG(1, 2))
	known := map[string]bool{}
	for _, p := range rbac.All() {
		known[p] = true
	}
	var names, permissions []string
	for i := range 8 {
		names = append(names, fmt.Sprintf("r%d", i))
		permissions = append(permissions, fmt.Sprintf("doc%d:read", i%3), fmt.Sprintf("doc%d:write-%d", i%3, i), fmt.Sprintf("doc%d:*", i%3))
	}
	permissions = append(permissions, "users:*", "keys:read")
	people := []user.User{f.person(t, "u0"), f.person(t, "u1"), f.person(t, "u2")}
	held := map[uuid.UUID][]string{}
	m := model{}
	cycles := 0
	for step := range 400 {
		name := names[rng.IntN(len(names))]
		wanted := user.Role{Name: name, Permissions: some(rng, permissions, 3), Inherits: some(rng, names, 3)}
		_, there := m[name]
		missing := slices.ContainsFunc(wanted.Inherits, func(p string) bool { _, ok := m[p]; return !ok && p != name })
		cyclic := slices.ContainsFunc(wanted.Inherits, func(p string) bool { return p == name || m.leadsTo(p, name) })
		var err error
		switch action := rng.IntN(10); {
		case action == 0 && there:
			if err := f.roles.Delete(f.operator, name, true, nil); err != nil {
				t.Fatalf("step %d: delete %s: %v", step, name, err)
			}
			delete(m, name)
			for n, r := range m {
				r.Inherits = slices.DeleteFunc(slices.Clone(r.Inherits), func(p string) bool { return p == name })
				m[n] = r
			}
			for id, roles := range held {
				held[id] = slices.DeleteFunc(slices.Clone(roles), func(p string) bool { return p == name })
			}
		case action <= 2 && there:
			id := people[rng.IntN(len(people))].ID
			roles := some(rng, slices.Sorted(maps.Keys(m)), 3)
			if err := f.assign(f.operator, id, roles...); err != nil {
				t.Fatalf("step %d: assign %v: %v", step, roles, err)
			}
			held[id] = roles
		case there:
			_, err = f.roles.Update(f.operator, name, func(r *user.Role) error {
				r.Permissions, r.Inherits = wanted.Permissions, wanted.Inherits
				return nil
			})
		default:
			_, err = f.roles.Create(f.operator, user.NewRole{Name: name, Permissions: wanted.Permissions, Inherits: wanted.Inherits})
		}
		var unknown *user.UnknownRoles
		var cycle *user.RoleCycle
		switch {
		case errors.As(err, &cycle):
			cycles++
			if !cyclic {
				t.Fatalf("step %d: %v refused, though there is no cycle in %v", step, wanted, m)
			}
		case errors.As(err, &unknown):
			if !missing && !slices.Contains(wanted.Inherits, name) {
				t.Fatalf("step %d: %v: %v", step, wanted, err)
			}
		case err != nil:
			t.Fatalf("step %d: %v: %v", step, wanted, err)
		}
		if err == nil {
			f.follow(t, m, name, wanted, known)
		}
		f.compare(t, step, m, people, held, known)
	}
	if cycles < 20 {
		t.Errorf("only %d cycles were tried", cycles)
	}
}

// follow takes into the model what the store has of the role.
func (f *rolesFixture) follow(t *testing.T, m model, name string, wanted user.Role, known map[string]bool) {
	t.Helper()
	stored, err := f.roles.Role(t.Context(), name)
	if errors.Is(err, user.ErrRoleNotFound) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if slices.Equal(stored.Permissions, wanted.Permissions) && slices.Equal(stored.Inherits, wanted.Inherits) {
		m[name] = wanted
		for _, p := range wanted.Permissions {
			if !strings.HasSuffix(p, "*") {
				known[p] = true
			}
		}
	}
	if diff := cmp.Diff(m[name].Permissions, stored.Permissions) + cmp.Diff(m[name].Inherits, stored.Inherits); diff != "" {
		t.Fatalf("role %s differs from the model:\n%s", name, diff)
	}
}

func (f *rolesFixture) compare(t *testing.T, step int, m model, people []user.User, held map[uuid.UUID][]string, known map[string]bool) {
	t.Helper()
	for name := range m {
		for _, parent := range m[name].Inherits {
			if m.leadsTo(parent, name) {
				t.Fatalf("step %d: a cycle through %s was accepted: %v", step, name, m)
			}
		}
	}
	for _, u := range people {
		got, err := f.roles.Rights(t.Context(), u.ID)
		if err != nil {
			t.Fatal(err)
		}
		want := m.effective(held[u.ID], known)
		if diff := cmp.Diff(want, got.Permissions, cmp.Transformer("present", func(l []string) []string { return append([]string{}, l...) })); diff != "" {
			t.Fatalf("step %d: rights of %s with %v (-model +store):\n%s", step, u.Email, held[u.ID], diff)
		}
		// One permission asked for alone has the same answer.
		for _, p := range []string{"doc0:read", "doc1:unheard-of", "users:read"} {
			d, err := f.roles.DecideFor(t.Context(), u.ID, p)
			if err != nil || d.Allowed != rbac.Covers(want, p) {
				t.Fatalf("step %d: %s: %+v, %v; the model says %v", step, p, d, err, want)
			}
			for _, r := range d.Roles {
				if !slices.Contains(held[u.ID], r) || !rbac.Covers(m.effective([]string{r}, known), p) {
					t.Fatalf("step %d: role %s does not permit %s", step, r, p)
				}
			}
		}
	}
}
