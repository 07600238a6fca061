package rbac

import (
	"regexp"
	"slices"
	"strings"
)

// Permission is one of Gatehouse's own permissions.
type Permission struct {
	// Name is resource:action.
	Name string
	// Description says in one sentence what it permits.
	Description string
}

// builtin is sorted by name.
var builtin = [...]Permission{
	{AuditRead, "Read the audit log."},
	{ClientsRead, "Read OAuth clients."},
	{ClientsWrite, "Register, change and delete OAuth clients."},
	{KeysRead, "Read the API keys of others."},
	{KeysWrite, "Rename and revoke the API keys of others."},
	{MessagesRead, "Read messages and templates."},
	{MessagesSend, "Send messages and notifications."},
	{RolesRead, "Read roles and permissions, and ask what others may do."},
	{RolesWrite, "Define roles and permissions, and assign roles."},
	{SessionsRead, "Read the sessions of others."},
	{SessionsWrite, "End the sessions of others."},
	{UsersRead, "Read users, their profiles and preferences."},
	{UsersWrite, "Create, change, suspend, delete and restore users."},
}

// Builtin returns Gatehouse's own permissions, sorted by name.
func Builtin() []Permission { return slices.Clone(builtin[:]) }

// IsBuiltin reports whether the permission is one of Gatehouse's own.
func IsBuiltin(permission string) bool {
	return slices.ContainsFunc(builtin[:], func(p Permission) bool { return p.Name == permission })
}

// IsBuiltinRole reports whether the role is one of Gatehouse's own.
func IsBuiltinRole(role string) bool { return role == RoleAdmin || role == RoleUser }

var (
	rolePattern       = regexp.MustCompile(`^[a-z][a-z0-9._-]{0,63}$`)
	permissionPattern = regexp.MustCompile(`^[a-z][a-z0-9_.-]{0,63}:([a-z][a-z0-9_.-]{0,63}|\*)$`)
)

// ValidRoleName reports whether a role may have that name: up to 64 characters
// out of a-z, 0-9, dot, underscore and hyphen, the first of them a letter.
func ValidRoleName(s string) bool { return rolePattern.MatchString(s) }

// ValidPermission reports whether s is a permission: resource:action, both as
// [ValidRoleName] has it, or resource:* for every action on the resource.
func ValidPermission(s string) bool { return permissionPattern.MatchString(s) }

const everyAction = ":*"

// IsWildcard reports whether the permission stands for every action on its
// resource, those included that nobody has thought of yet.
func IsWildcard(permission string) bool { return strings.HasSuffix(permission, everyAction) }

// Wildcard returns the permission for every action on the permission's
// resource.
func Wildcard(permission string) string {
	resource, _, _ := strings.Cut(permission, ":")
	return resource + everyAction
}

// Covers reports whether who holds the permissions held has the permission, by
// name or by its wildcard. A wildcard is covered by itself alone.
func Covers(held []string, permission string) bool {
	return slices.Contains(held, permission) || slices.Contains(held, Wildcard(permission))
}
