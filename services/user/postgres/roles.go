package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"gatehouse.example/internal/rbac"
	"gatehouse.example/services/user"
)

var _ user.RoleStore = (*Store)(nil)

// roleRow is a line of the table roles with what belongs to it.
type roleRow struct {
	Name, Description    string
	Builtin              bool
	Version              int64
	CreatedAt, UpdatedAt time.Time
	Permissions          []string `bun:",array"`
	Inherits             []string `bun:",array"`
}

func (r roleRow) role() user.Role {
	return user.Role{
		Name: r.Name, Description: r.Description, Permissions: present(r.Permissions), Inherits: present(r.Inherits),
		Builtin: r.Builtin, Version: r.Version, CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
	}
}

// selectRoles takes the name of the role admin and Gatehouse's permissions.
const selectRoles = `SELECT r.name, r.description, r.builtin, r.version, r.created_at, r.updated_at,
		CASE WHEN r.name = ? THEN ARRAY(SELECT unnest(?::text[]) COLLATE "C" UNION SELECT name FROM permissions ORDER BY 1)
			ELSE ARRAY(SELECT permission FROM role_permissions p WHERE p.role = r.name ORDER BY 1) END AS permissions,
		ARRAY(SELECT parent FROM role_inherits i WHERE i.role = r.name ORDER BY 1) AS inherits
	FROM roles r `

// Role implements [user.RoleReader].
func (s *Store) Role(ctx context.Context, name string) (user.Role, error) {
	return oneRole(ctx, s.db.Bun, name)
}

func oneRole(ctx context.Context, db bun.IDB, name string) (user.Role, error) {
	var rows []roleRow
	err := db.NewRaw(selectRoles+`WHERE r.name = ?`, rbac.RoleAdmin, textArray(rbac.All()), name).Scan(ctx, &rows)
	if err != nil {
		return user.Role{}, fmt.Errorf("load role %q: %w", name, err)
	}
	if len(rows) == 0 {
		return user.Role{}, user.ErrRoleNotFound
	}
	return rows[0].role(), nil
}

// Roles implements [user.RoleReader].
func (s *Store) Roles(ctx context.Context, after string, limit int) ([]user.Role, error) {
	var rows []roleRow
	err := s.db.Bun.NewRaw(selectRoles+`WHERE r.name > ? ORDER BY r.name LIMIT ?`,
		rbac.RoleAdmin, textArray(rbac.All()), after, limit).Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("list roles: %w", err)
	}
	roles := make([]user.Role, len(rows))
	for i, r := range rows {
		roles[i] = r.role()
	}
	return roles, nil
}

// Permissions implements [user.RoleReader].
func (s *Store) Permissions(ctx context.Context, after string, limit int) ([]user.Permission, error) {
	return listPermissions(ctx, s.db.Bun, `WHERE name > ? ORDER BY name LIMIT ?`, after, limit)
}

// listPermissions selects from the built-in and the stored permissions. A name
// that a release made its own is its own, though it was stored before.
func listPermissions(ctx context.Context, db bun.IDB, where string, args ...any) ([]user.Permission, error) {
	own := rbac.Builtin()
	names, descriptions := make([]string, len(own)), make([]string, len(own))
	for i, p := range own {
		names[i], descriptions[i] = p.Name, p.Description
	}
	var rows []struct {
		Name, Description string
		Builtin           bool
		CreatedAt         time.Time `bun:",nullzero"`
	}
	err := db.NewRaw(`SELECT name, description, builtin, created_at FROM (
			SELECT n COLLATE "C" AS name, d AS description, true AS builtin, NULL::timestamptz AS created_at
				FROM unnest(?::text[], ?::text[]) AS own (n, d)
			UNION ALL
			SELECT name, description, false, created_at FROM permissions WHERE name <> ALL (?::text[])
		) known `+where, append([]any{textArray(names), textArray(descriptions), textArray(names)}, args...)...).Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("list permissions: %w", err)
	}
	list := make([]user.Permission, len(rows))
	for i, r := range rows {
		list[i] = user.Permission{Name: r.Name, Description: r.Description, Builtin: r.Builtin}
		if !r.CreatedAt.IsZero() {
			list[i].CreatedAt = r.CreatedAt.UTC()
		}
	}
	return list, nil
}
