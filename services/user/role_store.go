package user

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// RoleReader finds roles and permissions.
type RoleReader interface {
	// Role returns the role or [ErrRoleNotFound].
	Role(ctx context.Context, name string) (Role, error)
	// Roles returns up to limit roles whose names follow after, by name.
	Roles(ctx context.Context, after string, limit int) ([]Role, error)
	// Permissions returns up to limit permissions whose names follow after, by
	// name, the built-in ones included.
	Permissions(ctx context.Context, after string, limit int) ([]Permission, error)
}

// RightsReader says what a user may do, each by one query.
type RightsReader interface {
	// Rights returns what the user may do or [ErrNotFound].
	Rights(ctx context.Context, id uuid.UUID) (Rights, error)
	// Grants returns which of the user's roles permit it, or [ErrNotFound].
	Grants(ctx context.Context, id uuid.UUID, permission string) (Grants, error)
}

// Grants is why a user may do something.
type Grants struct {
	// Status is the state of the account.
	Status Status
	// Roles are the assigned roles that permit it, sorted, never nil.
	Roles []string
	// From are the roles that have the permission themselves: those of Roles
	// or inherited ones; sorted, never nil.
	From []string
}

// Definer changes what roles are.
type Definer interface {
	// Define runs change in a transaction beside which no other runs. change
	// may run again if the transaction meets another change of a user.
	Define(ctx context.Context, change func(ctx context.Context, tx Definitions) error) error
}

// RoleStore is all that [Roles] needs.
type RoleStore interface {
	RoleReader
	RightsReader
	Definer
}

// Definitions are the roles and permissions inside a transaction of
// [Definer].
type Definitions interface {
	RoleDefinitions
	PermissionDefinitions
	// Rights returns what the user may do or [ErrNotFound].
	Rights(ctx context.Context, id uuid.UUID) (Rights, error)
	// Permitted returns what the roles permit together, as [Rights] does.
	// Errors: [UnknownRoles].
	Permitted(ctx context.Context, roles []string) ([]string, error)
	// Claim notes that the key makes name, a "role" or a "permission". If it
	// did before, for the same request, it returns what it made, else "".
	// Keys from before forget are forgotten. Errors: [ErrKeyReused].
	Claim(ctx context.Context, kind string, key IdempotencyKey, name string, now, forget time.Time) (string, error)
	// Leave writes what a change leaves behind.
	Leave(ctx context.Context, trail Trail) error
}

// RoleDefinitions are the roles inside a transaction.
type RoleDefinitions interface {
	// Role returns the role or [ErrRoleNotFound].
	Role(ctx context.Context, name string) (Role, error)
	// Parents returns which roles each role inherits.
	Parents(ctx context.Context) (map[string][]string, error)
	// Save stores the role, new where its Version is 1, and makes its
	// permissions known. Errors: [ErrRoleTaken], [UnknownRoles].
	Save(ctx context.Context, r Role) error
	// Uses returns how many users have the role, and which roles inherit it.
	Uses(ctx context.Context, name string) (users int, heirs []string, err error)
	// Remove deletes the role. Where force is set it is withdrawn from users,
	// each with the trail that withdraw leaves, and from its heirs before.
	// Errors: [RoleInUse].
	Remove(ctx context.Context, name string, withdraw func(*User) (Trail, error), force bool) error
}

// PermissionDefinitions are the permissions inside a transaction.
type PermissionDefinitions interface {
	// Permission returns the permission, built-in or not, or
	// [ErrPermissionNotFound].
	Permission(ctx context.Context, name string) (Permission, error)
	// SavePermission adds it. Errors: [ErrPermissionTaken].
	SavePermission(ctx context.Context, p Permission) error
	// RemovePermission deletes it. Errors: [RoleInUse], [ErrPermissionNotFound].
	RemovePermission(ctx context.Context, name string) error
}
