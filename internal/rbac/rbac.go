package rbac

import (
	"slices"

	"gatehouse.example/internal/identity"
)

// The permissions of Gatehouse's own API. The scope of the same name lets a
// client use the permission.
const (
	UsersRead     = "users:read"
	UsersWrite    = "users:write"
	RolesRead     = "roles:read"
	RolesWrite    = "roles:write"
	ClientsRead   = "clients:read"
	ClientsWrite  = "clients:write"
	KeysRead      = "keys:read"
	KeysWrite     = "keys:write"
	AuditRead     = "audit:read"
	MessagesRead  = "messages:read"
	MessagesSend  = "messages:send"
	SessionsRead  = "sessions:read"
	SessionsWrite = "sessions:write"
)

// The built-in roles.
const (
	// RoleAdmin has every permission.
	RoleAdmin = "admin"
	// RoleUser is what every account has. It permits no more than the account
	// itself, which needs no permission.
	RoleUser = "user"
)

// All returns the name of every permission, sorted.
func All() []string {
	names := make([]string, len(builtin))
	for i, p := range builtin {
		names[i] = p.Name
	}
	return names
}

// Permissions returns what the built-in roles among roles permit, sorted and
// without duplicates. Roles it does not know permit nothing: what roles permit
// together is the user service's to say.
func Permissions(roles []string) []string {
	if slices.Contains(roles, RoleAdmin) {
		return All()
	}
	return []string{}
}

// Allowed reports whether p may use the permission. A client may use what its
// scopes allow. A user needs the scope in its credential and the permission in
// one of its roles: a client cannot do for a person what the person may not.
// Nobody and services are allowed nothing.
func Allowed(p identity.Principal, permission string) bool {
	switch p.Kind {
	case identity.KindClient:
		return p.HasScope(permission)
	case identity.KindUser:
		return p.HasScope(permission) && (p.HasRole(RoleAdmin) || Covers(p.Permissions, permission))
	default:
		return false
	}
}
