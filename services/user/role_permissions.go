package user

import (
	"context"

	"gatehouse.example/internal/rbac"
)

// Permissions returns up to limit permissions whose names follow after, and
// whether there are more.
func (r *Roles) Permissions(ctx context.Context, after string, limit int) ([]Permission, bool, error) {
	list, err := r.store.Permissions(ctx, after, limit+1)
	if err != nil || len(list) <= limit {
		return list, false, err
	}
	return list[:limit], true, nil
}

// CreatePermission makes a permission known. key, if not nil, makes it happen
// once. Errors: [Invalid], [ErrPermissionTaken], [Escalation], [ErrKeyReused].
func (r *Roles) CreatePermission(ctx context.Context, p Permission, key *IdempotencyKey) (Permission, error) {
	p.Builtin, p.CreatedAt = false, r.now()
	if err := p.normalise(); err != nil {
		return Permission{}, err
	}
	made := p
	err := r.define(ctx, func(ctx context.Context, tx Definitions, _ Authority) error {
		made = p
		if key != nil {
			earlier, err := tx.Claim(ctx, "permission", *key, p.Name, p.CreatedAt, p.CreatedAt.Add(-keyLifetime))
			if err != nil {
				return err
			}
			if earlier != "" {
				made, err = tx.Permission(ctx, earlier)
				return err
			}
		}
		if rbac.IsBuiltin(p.Name) {
			return ErrPermissionTaken
		}
		if err := tx.SavePermission(ctx, p); err != nil {
			return err
		}
		return r.leave(ctx, tx, "permission.created", "permission", p.Name)
	})
	return made, err
}

// DeletePermission removes a permission that no role has. Errors:
// [ErrPermissionNotFound], [ErrBuiltin], [RoleInUse].
func (r *Roles) DeletePermission(ctx context.Context, name string) error {
	if !rbac.ValidPermission(name) || rbac.IsWildcard(name) {
		return ErrPermissionNotFound
	}
	return r.define(ctx, func(ctx context.Context, tx Definitions, _ Authority) error {
		if rbac.IsBuiltin(name) {
			return ErrBuiltin
		}
		if err := tx.RemovePermission(ctx, name); err != nil {
			return err
		}
		return r.leave(ctx, tx, "permission.deleted", "permission", name)
	})
}
