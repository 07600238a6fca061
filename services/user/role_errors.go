package user

import (
	"errors"
	"fmt"
	"strings"
)

// The errors of roles and permissions.
var (
	// ErrRoleNotFound: no such role.
	ErrRoleNotFound = errors.New("no such role")
	// ErrRoleTaken: there is a role with that name.
	ErrRoleTaken = errors.New("there is a role with this name")
	// ErrBuiltin: the role or permission is Gatehouse's own and stays as it is.
	ErrBuiltin = errors.New("it is built in and cannot be changed or deleted")
	// ErrPermissionNotFound: no such permission.
	ErrPermissionNotFound = errors.New("no such permission")
	// ErrPermissionTaken: there is a permission with that name.
	ErrPermissionTaken = errors.New("there is a permission with this name")
	// ErrLastAdmin: without the user nobody could administer Gatehouse.
	ErrLastAdmin = errors.New("the last active administrator must stay one")
	// ErrOutranked: the account may do more than who wants to change it.
	ErrOutranked = errors.New("the account may do more than you: only somebody who may do as much can change its address, username or status")
)

// UnknownRoles is an error that names roles that do not exist.
type UnknownRoles struct{ Names []string }

var _ error = (*UnknownRoles)(nil)

// Error names them.
func (e *UnknownRoles) Error() string { return "no such role: " + strings.Join(e.Names, ", ") }

// RoleCycle is an error: a role would inherit itself.
type RoleCycle struct {
	// Path begins and ends with the role.
	Path []string
}

var _ error = (*RoleCycle)(nil)

// Error shows the way round.
func (e *RoleCycle) Error() string {
	return "the role would inherit itself: " + strings.Join(e.Path, " → ")
}

// RoleInUse is an error: others hold what is to be deleted.
type RoleInUse struct {
	// Users is how many users have the role.
	Users int
	// Roles are the names of the roles that inherit the role, or have the
	// permission.
	Roles []string
}

var _ error = (*RoleInUse)(nil)

// Error counts them.
func (e *RoleInUse) Error() string {
	var parts []string
	switch {
	case e.Users == 1:
		parts = append(parts, "1 user")
	case e.Users > 1:
		parts = append(parts, fmt.Sprintf("%d users", e.Users))
	}
	switch names := strings.Join(e.Roles, ", "); {
	case len(e.Roles) == 1:
		parts = append(parts, "the role "+names)
	case len(e.Roles) > 1:
		parts = append(parts, fmt.Sprintf("%d roles (%s)", len(e.Roles), names))
	}
	return "in use by " + strings.Join(parts, " and ")
}

// maxNamed is how many permissions an [Escalation] names in its text.
const maxNamed = 20

// Escalation is an error: somebody wants to hand on more than it has.
type Escalation struct {
	// Role is what only an administrator hands on, or "".
	Role string
	// Permissions are those that it lacks.
	Permissions []string
}

var _ error = (*Escalation)(nil)

// Error names what is lacking.
func (e *Escalation) Error() string {
	if e.Role != "" {
		return "only an administrator gives or takes the role " + e.Role
	}
	named, more := e.Permissions, ""
	if len(named) > maxNamed {
		named, more = named[:maxNamed], fmt.Sprintf(" and %d more", len(named)-maxNamed)
	}
	return "nobody hands on what it may not do itself: " + strings.Join(named, ", ") + more
}

// Lacking is an error: who asks does not have the permission any more.
type Lacking struct{ Permission string }

var _ error = (*Lacking)(nil)

// Error names the permission.
func (e *Lacking) Error() string { return "this needs the permission " + e.Permission }
