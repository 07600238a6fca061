package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/uptrace/bun"

	"gatehouse.example/internal/database"
	"gatehouse.example/internal/rbac"
	"gatehouse.example/services/user"
)

// foreignKeyViolation is SQLSTATE 23503.
const foreignKeyViolation = "23503"

// definitions implements [user.Definitions] on a transaction that holds the
// lock of all definitions.
type definitions struct{ tx bun.Tx }

var _ user.Definitions = definitions{}

// Define implements [user.Definer]. A role that somebody was given while it was
// being deleted makes the work begin anew.
func (s *Store) Define(ctx context.Context, change func(ctx context.Context, tx user.Definitions) error) error {
	const attempts = 5
	var err error
	for range attempts {
		err = s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
			if err := lock(ctx, tx, "definitions"); err != nil {
				return err
			}
			return change(ctx, definitions{tx})
		})
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != foreignKeyViolation {
			return err
		}
	}
	return err
}

// Role implements [user.RoleDefinitions].
func (d definitions) Role(ctx context.Context, name string) (user.Role, error) {
	return oneRole(ctx, d.tx, name)
}

// Rights implements [user.Definitions].
func (d definitions) Rights(ctx context.Context, id uuid.UUID) (user.Rights, error) {
	return rights(ctx, d.tx, id)
}

// Permitted implements [user.Definitions].
func (d definitions) Permitted(ctx context.Context, roles []string) ([]string, error) {
	return permitted(ctx, d.tx, roles)
}

// Leave implements [user.Definitions].
func (d definitions) Leave(ctx context.Context, trail user.Trail) error {
	return leave(ctx, d.tx, trail)
}

// Parents implements [user.RoleDefinitions].
func (d definitions) Parents(ctx context.Context) (map[string][]string, error) {
	var rows []struct{ Role, Parent string }
	if err := d.tx.NewRaw(`SELECT role, parent FROM role_inherits ORDER BY role, parent`).Scan(ctx, &rows); err != nil {
		return nil, fmt.Errorf("read what roles inherit: %w", err)
	}
	edges := map[string][]string{}
	for _, r := range rows {
		edges[r.Role] = append(edges[r.Role], r.Parent)
	}
	return edges, nil
}

// Save implements [user.RoleDefinitions].
func (d definitions) Save(ctx context.Context, r user.Role) error {
	_, err := permitted(ctx, d.tx, r.Inherits)
	if err != nil {
		return err
	}
	if r.Version == 1 {
		_, err = d.tx.NewRaw(`INSERT INTO roles (name, description, created_at, updated_at) VALUES (?, ?, ?, ?)`,
			r.Name, r.Description, r.CreatedAt, r.UpdatedAt).Exec(ctx)
	} else {
		_, err = d.tx.NewRaw(`UPDATE roles SET description = ?, version = ?, updated_at = ? WHERE name = ?`,
			r.Description, r.Version, r.UpdatedAt, r.Name).Exec(ctx)
	}
	if database.IsUnique(err, "roles_pkey") {
		return user.ErrRoleTaken
	}
	if err != nil {
		return fmt.Errorf("store role %q: %w", r.Name, err)
	}
	known := make([]string, 0, len(r.Permissions))
	for _, p := range r.Permissions {
		if !rbac.IsBuiltin(p) && !rbac.IsWildcard(p) {
			known = append(known, p)
		}
	}
	for _, s := range []struct {
		query string
		args  []any
	}{
		{`DELETE FROM role_permissions WHERE role = ? AND permission <> ALL (?::text[])`, []any{r.Name, textArray(r.Permissions)}},
		{`INSERT INTO role_permissions (role, permission) SELECT ?, unnest(?::text[]) ON CONFLICT DO NOTHING`, []any{r.Name, textArray(r.Permissions)}},
		{`DELETE FROM role_inherits WHERE role = ? AND parent <> ALL (?::text[])`, []any{r.Name, textArray(r.Inherits)}},
		{`INSERT INTO role_inherits (role, parent) SELECT ?, unnest(?::text[]) ON CONFLICT DO NOTHING`, []any{r.Name, textArray(r.Inherits)}},
		{`INSERT INTO permissions (name, created_at) SELECT unnest(?::text[]), ? ON CONFLICT DO NOTHING`, []any{textArray(known), r.UpdatedAt}},
	} {
		if _, err := d.tx.NewRaw(s.query, s.args...).Exec(ctx); err != nil {
			return fmt.Errorf("store role %q: %w", r.Name, err)
		}
	}
	return nil
}

// Uses implements [user.RoleDefinitions].
func (d definitions) Uses(ctx context.Context, name string) (users int, heirs []string, err error) {
	err = d.tx.NewRaw(`SELECT count(*) FROM user_roles r JOIN users u ON u.id = r.user_id
		WHERE r.role = ? AND u.deleted_at IS NULL`, name).Scan(ctx, &users)
	if err == nil {
		err = d.tx.NewRaw(`SELECT role FROM role_inherits WHERE parent = ? ORDER BY role`, name).Scan(ctx, &heirs)
	}
	if err != nil {
		return 0, nil, fmt.Errorf("look for uses of role %q: %w", name, err)
	}
	return users, present(heirs), nil
}

// Remove implements [user.RoleDefinitions]. It locks those who have the role
// before the role itself, as a change of their roles does; somebody who got it
// meanwhile violates the foreign key, and [Store.Define] begins anew.
func (d definitions) Remove(ctx context.Context, name string, withdraw func(*user.User) (user.Trail, error), force bool) error {
	if force {
		if err := d.withdrawAll(ctx, name, withdraw); err != nil {
			return err
		}
		_, err := d.tx.NewRaw(`WITH gone AS (DELETE FROM role_inherits WHERE parent = ? RETURNING role)
			UPDATE roles SET version = version + 1, updated_at = now() WHERE name IN (SELECT role FROM gone)`, name).Exec(ctx)
		if err != nil {
			return fmt.Errorf("take role %q from its heirs: %w", name, err)
		}
	}
	// A deleted account keeps no role from being deleted.
	_, err := d.tx.NewRaw(`DELETE FROM user_roles r USING users u WHERE u.id = r.user_id AND r.role = ? AND u.deleted_at IS NOT NULL`, name).Exec(ctx)
	if err == nil {
		_, err = d.tx.NewRaw(`DELETE FROM definition_keys WHERE kind = 'role' AND name = ?`, name).Exec(ctx)
	}
	if err == nil {
		_, err = d.tx.NewRaw(`DELETE FROM roles WHERE name = ?`, name).Exec(ctx)
	}
	if err != nil {
		return fmt.Errorf("delete role %q: %w", name, err)
	}
	return nil
}

func (d definitions) withdrawAll(ctx context.Context, name string, withdraw func(*user.User) (user.Trail, error)) error {
	var holders []uuid.UUID
	err := d.tx.NewRaw(`SELECT id FROM users WHERE deleted_at IS NULL AND id IN (SELECT user_id FROM user_roles WHERE role = ?)
		ORDER BY id FOR UPDATE`, name).Scan(ctx, &holders)
	if err != nil {
		return fmt.Errorf("lock users with role %q: %w", name, err)
	}
	for _, id := range holders {
		u, err := one(ctx, byID(d.tx, id))
		if err != nil {
			return translate("load user", err)
		}
		trail, err := withdraw(&u)
		if err != nil {
			return err
		}
		_, err = d.tx.NewRaw(`WITH gone AS (DELETE FROM user_roles WHERE user_id = ? AND role = ?)
			UPDATE users SET version = version + 1, updated_at = ? WHERE id = ?`, id, name, u.UpdatedAt, id).Exec(ctx)
		if err != nil {
			return fmt.Errorf("withdraw role %q from user %s: %w", name, id, err)
		}
		if err := leave(ctx, d.tx, trail); err != nil {
			return err
		}
	}
	return nil
}

// Permission implements [user.PermissionDefinitions].
func (d definitions) Permission(ctx context.Context, name string) (user.Permission, error) {
	list, err := listPermissions(ctx, d.tx, `WHERE name = ?`, name)
	if err == nil && len(list) == 0 {
		err = user.ErrPermissionNotFound
	}
	if err != nil {
		return user.Permission{}, err
	}
	return list[0], nil
}

// SavePermission implements [user.PermissionDefinitions].
func (d definitions) SavePermission(ctx context.Context, p user.Permission) error {
	_, err := d.tx.NewRaw(`INSERT INTO permissions (name, description, created_at) VALUES (?, ?, ?)`,
		p.Name, p.Description, p.CreatedAt).Exec(ctx)
	if database.IsUnique(err, "permissions_pkey") {
		return user.ErrPermissionTaken
	}
	if err != nil {
		return fmt.Errorf("store permission %q: %w", p.Name, err)
	}
	return nil
}

// RemovePermission implements [user.PermissionDefinitions].
func (d definitions) RemovePermission(ctx context.Context, name string) error {
	var roles []string
	err := d.tx.NewRaw(`SELECT role FROM role_permissions WHERE permission = ? ORDER BY role`, name).Scan(ctx, &roles)
	if err != nil {
		return fmt.Errorf("look for roles with permission %q: %w", name, err)
	}
	if len(roles) > 0 {
		return &user.RoleInUse{Roles: roles}
	}
	if _, err = d.tx.NewRaw(`DELETE FROM definition_keys WHERE kind = 'permission' AND name = ?`, name).Exec(ctx); err != nil {
		return fmt.Errorf("forget keys of permission %q: %w", name, err)
	}
	res, err := d.tx.NewRaw(`DELETE FROM permissions WHERE name = ?`, name).Exec(ctx)
	if err != nil {
		return fmt.Errorf("delete permission %q: %w", name, err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(user.ErrPermissionNotFound, err)
	}
	return nil
}

// Claim implements [user.Definitions]. The lock of all definitions makes a
// concurrent claim of the same key wait for this one's outcome.
func (d definitions) Claim(ctx context.Context, kind string, key user.IdempotencyKey, name string, now, forget time.Time) (string, error) {
	if _, err := d.tx.NewRaw(`DELETE FROM definition_keys WHERE created_at < ?`, forget).Exec(ctx); err != nil {
		return "", fmt.Errorf("forget idempotency keys: %w", err)
	}
	var earlier []struct {
		Fingerprint []byte
		Name        string
	}
	err := d.tx.NewRaw(`SELECT fingerprint, name FROM definition_keys WHERE actor = ? AND kind = ? AND key = ?`,
		key.Actor, kind, key.Key).Scan(ctx, &earlier)
	if err != nil {
		return "", fmt.Errorf("read idempotency key: %w", err)
	}
	if len(earlier) > 0 {
		if !bytes.Equal(earlier[0].Fingerprint, key.Fingerprint) {
			return "", user.ErrKeyReused
		}
		return earlier[0].Name, nil
	}
	_, err = d.tx.NewRaw(`INSERT INTO definition_keys (actor, kind, key, fingerprint, name, created_at) VALUES (?, ?, ?, ?, ?, ?)`,
		key.Actor, kind, key.Key, key.Fingerprint, name, now).Exec(ctx)
	if err != nil {
		return "", fmt.Errorf("claim idempotency key: %w", err)
	}
	return "", nil
}
