package user

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gatehouse.example/internal/rbac"
)

// Role is a set of permissions that can be assigned to users.
type Role struct {
	// Name identifies the role; [rbac.ValidRoleName] says what is acceptable.
	Name string
	// Description is for people; may be empty.
	Description string
	// Permissions are its own, sorted, never nil. Those of the role admin are
	// all that are known.
	Permissions []string
	// Inherits are the names of the roles whose permissions it has too,
	// sorted, never nil.
	Inherits []string
	// Builtin says that Gatehouse made it, and nobody changes it.
	Builtin bool
	// Version counts the changes, from 1; the ETag.
	Version int64
	// CreatedAt and UpdatedAt are UTC in microseconds.
	CreatedAt, UpdatedAt time.Time
}

// The limits of one role.
const (
	maxRolePermissions  = 500
	maxRoleParents      = 50
	maxDescriptionRunes = 500
)

func (r Role) clone() Role {
	r.Permissions, r.Inherits = slices.Clone(r.Permissions), slices.Clone(r.Inherits)
	return r
}

func (r Role) equal(o Role) bool {
	return r.Description == o.Description && slices.Equal(r.Permissions, o.Permissions) && slices.Equal(r.Inherits, o.Inherits)
}

// normalise brings the lists into their canonical form and checks every value
// that can be checked alone.
func (r *Role) normalise() error {
	var bad Invalid
	if !rbac.ValidRoleName(r.Name) {
		bad.Add("/name", "must be 1 to 64 characters out of a-z, 0-9, dot, underscore and hyphen, the first of them a letter")
	}
	checkDescription(&r.Description, &bad)
	for i, p := range r.Permissions {
		if !rbac.ValidPermission(p) {
			bad.Add("/permissions/"+strconv.Itoa(i), "must be resource:action, or resource:* for every action")
		}
	}
	for i, name := range r.Inherits {
		switch {
		case name == rbac.RoleAdmin:
			bad.Add("/inherits/"+strconv.Itoa(i), "the role admin cannot be inherited, only assigned")
		case !rbac.ValidRoleName(name):
			bad.Add("/inherits/"+strconv.Itoa(i), noSuchRole)
		}
	}
	r.Permissions, r.Inherits = sorted(r.Permissions), sorted(r.Inherits)
	if len(r.Permissions) > maxRolePermissions {
		bad.Add("/permissions", "must be at most "+strconv.Itoa(maxRolePermissions))
	}
	if len(r.Inherits) > maxRoleParents {
		bad.Add("/inherits", "must be at most "+strconv.Itoa(maxRoleParents))
	}
	return bad.err()
}

const noSuchRole = "there is no such role"

func checkDescription(s *string, bad *Invalid) {
	*s = strings.TrimSpace(*s)
	switch {
	case utf8.RuneCountInString(*s) > maxDescriptionRunes:
		bad.Add("/description", "must be at most "+strconv.Itoa(maxDescriptionRunes)+" characters")
	case strings.ContainsFunc(*s, unicode.IsControl):
		bad.Add("/description", "must be one line without control characters")
	}
}

// sorted returns a sorted copy without duplicates, never nil.
func sorted(list []string) []string {
	out := append([]string{}, list...)
	slices.Sort(out)
	return slices.Compact(out)
}

// cycle returns the way from name through what it shall inherit back to
// itself, nil if there is none. edges is what every other role inherits.
func cycle(name string, inherits []string, edges map[string][]string) []string {
	seen := map[string]bool{}
	var walk func(at string) []string
	walk = func(at string) []string {
		if at == name {
			return []string{at}
		}
		if seen[at] {
			return nil
		}
		seen[at] = true
		for _, next := range edges[at] {
			if path := walk(next); path != nil {
				return append([]string{at}, path...)
			}
		}
		return nil
	}
	for _, parent := range inherits {
		if path := walk(parent); path != nil {
			return append([]string{name}, path...)
		}
	}
	return nil
}

// ActiveAdministrator reports whether the user has the role admin and may act.
func (u User) ActiveAdministrator() bool {
	return u.Status == StatusActive && slices.Contains(u.Roles, rbac.RoleAdmin)
}
