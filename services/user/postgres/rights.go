package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"gatehouse.example/internal/rbac"
	"gatehouse.example/services/user"
)

var _ user.RightsReader = (*Store)(nil)

// What roles permit, as common table expressions over the table seed(role):
// reach is every role that each of them leads to, and effective what that
// permits. UNION, unlike UNION ALL, meets each pair once, so that the work is
// bounded whatever the roles look like. The parameters are Gatehouse's own
// permissions and the name of the role that has them all.
const effective = `
	known (name) AS (SELECT unnest(?::text[]) COLLATE "C" UNION SELECT name FROM permissions),
	reach (origin, role) AS (
		SELECT role, role FROM seed
		UNION
		SELECT reach.origin, i.parent FROM reach JOIN role_inherits i ON i.role = reach.role
	),
	held (origin, role, permission) AS (
		SELECT reach.origin, p.role, p.permission FROM reach JOIN role_permissions p ON p.role = reach.role
	),
	effective (origin, role, permission) AS (
		SELECT origin, role, permission FROM held
		UNION
		SELECT h.origin, h.role, k.name FROM held h JOIN known k ON h.permission = split_part(k.name, ':', 1) || ':*'
		UNION
		SELECT reach.origin, reach.role, k.name FROM reach CROSS JOIN known k WHERE reach.role = ?
	)`

const ofUser = `WITH RECURSIVE seed (role) AS (SELECT role COLLATE "C" FROM user_roles WHERE user_id = ?),` + effective

// Rights implements [user.RightsReader] by one query.
func (s *Store) Rights(ctx context.Context, id uuid.UUID) (user.Rights, error) {
	return rights(ctx, s.db.Bun, id)
}

func rights(ctx context.Context, db bun.IDB, id uuid.UUID) (user.Rights, error) {
	var r struct {
		Status      user.Status
		Roles       []string `bun:",array"`
		Permissions []string `bun:",array"`
	}
	err := db.NewRaw(ofUser+`
		SELECT u.status,
			ARRAY(SELECT role FROM seed ORDER BY role) AS roles,
			ARRAY(SELECT DISTINCT permission FROM effective ORDER BY permission) AS permissions
		FROM users u WHERE u.id = ? AND u.deleted_at IS NULL`,
		id, textArray(rbac.All()), rbac.RoleAdmin, id).Scan(ctx, &r)
	if err != nil {
		return user.Rights{}, translate("read rights", err)
	}
	return user.Rights{Status: r.Status, Roles: present(r.Roles), Permissions: present(r.Permissions)}, nil
}

// Grants implements [user.RightsReader] by one query.
func (s *Store) Grants(ctx context.Context, id uuid.UUID, permission string) (user.Grants, error) {
	var g struct {
		Status user.Status
		Roles  []string `bun:",array"`
		Origin []string `bun:",array"`
	}
	// The role admin has what nobody has made known, too.
	err := s.db.Bun.NewRaw(ofUser+`,
		granting (origin, role) AS (
			SELECT origin, role FROM effective WHERE permission IN (?, ?)
			UNION
			SELECT origin, role FROM reach WHERE role = ?
		)
		SELECT u.status,
			ARRAY(SELECT DISTINCT origin FROM granting ORDER BY origin) AS roles,
			ARRAY(SELECT DISTINCT role FROM granting ORDER BY role) AS origin
		FROM users u WHERE u.id = ? AND u.deleted_at IS NULL`,
		id, textArray(rbac.All()), rbac.RoleAdmin, permission, rbac.Wildcard(permission), rbac.RoleAdmin, id).Scan(ctx, &g)
	if err != nil {
		return user.Grants{}, translate("read grants", err)
	}
	return user.Grants{Status: g.Status, Roles: present(g.Roles), From: present(g.Origin)}, nil
}

// permitted returns what the roles permit together. Until the transaction ends
// none of them can be deleted.
func permitted(ctx context.Context, tx bun.Tx, roles []string) ([]string, error) {
	if len(roles) == 0 {
		return []string{}, nil
	}
	var there []string
	err := tx.NewRaw(`SELECT name FROM roles WHERE name = ANY (?::text[]) ORDER BY name FOR KEY SHARE`,
		textArray(roles)).Scan(ctx, &there)
	if err != nil {
		return nil, fmt.Errorf("lock roles: %w", err)
	}
	if unknown, _ := user.Difference(there, roles); len(unknown) > 0 {
		return nil, &user.UnknownRoles{Names: unknown}
	}
	var permissions []string
	err = tx.NewRaw(`WITH RECURSIVE seed (role) AS (SELECT unnest(?::text[]) COLLATE "C"),`+effective+`
		SELECT DISTINCT permission FROM effective ORDER BY permission`,
		textArray(roles), textArray(rbac.All()), rbac.RoleAdmin).Scan(ctx, &permissions)
	if err != nil {
		return nil, fmt.Errorf("read what %s permit: %w", strings.Join(roles, ", "), err)
	}
	return present(permissions), nil
}

// present is never nil.
func present(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
