package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/rbac"
	"gatehouse.example/services/user"
)

// guard refuses a change of the locked user that who asks may not make, as the
// rights of both are in the database at this moment: giving roles that permit
// more than it may do itself, deciding about an account that may do more, and
// taking away the last active administrator. before is zero for a new user.
//
// Every change of a user passes here, whichever way it came. Errors:
// [user.Escalation], [user.ErrOutranked], [user.ErrLastAdmin],
// [user.UnknownRoles], [user.Lacking].
func guard(ctx context.Context, tx bun.Tx, before, after user.User) error {
	added, removed := user.Difference(before.Roles, after.Roles)
	loses := before.ActiveAdministrator() && !after.ActiveAdministrator()
	takesOver := before.ID != uuid.Nil && user.TakesOver(before, after)
	if !loses && !takesOver && len(added)+len(removed) == 0 {
		return nil
	}
	if loses {
		// One loses the role after the other, and who did cannot go on to take
		// it from somebody else.
		if err := lock(ctx, tx, "administrators"); err != nil {
			return err
		}
	}
	by, err := authority(ctx, tx)
	if err != nil {
		return err
	}
	if len(added)+len(removed) > 0 {
		if err := mayAssign(ctx, tx, by, added, removed); err != nil {
			return err
		}
	}
	if p := identity.PrincipalFrom(ctx); takesOver && !(p.Kind == identity.KindUser && p.Subject == before.ID.String()) {
		if err := mayDecideAbout(ctx, tx, by, before); err != nil {
			return err
		}
	}
	if loses {
		return remaining(ctx, tx, before.ID)
	}
	return nil
}

func mayAssign(ctx context.Context, tx bun.Tx, by user.Authority, added, removed []string) error {
	if err := by.Need(rbac.RolesWrite); err != nil {
		return err
	}
	permissions, err := permitted(ctx, tx, added)
	if err != nil {
		return err
	}
	return by.MayAssign(added, removed, permissions)
}

func mayDecideAbout(ctx context.Context, tx bun.Tx, by user.Authority, u user.User) error {
	if err := by.Need(rbac.UsersWrite); err != nil {
		return err
	}
	permissions, err := permitted(ctx, tx, u.Roles)
	if err != nil {
		return err
	}
	if by.MayAssign(u.Roles, nil, permissions) != nil {
		return user.ErrOutranked
	}
	return nil
}

// remaining returns [user.ErrLastAdmin] unless another active user has the role
// admin.
func remaining(ctx context.Context, tx bun.Tx, without uuid.UUID) error {
	var others bool
	err := tx.NewRaw(`SELECT EXISTS (SELECT 1 FROM user_roles r JOIN users u ON u.id = r.user_id
		WHERE r.role = 'admin' AND u.status = 'active' AND u.id <> ?)`, without).Scan(ctx, &others)
	if err != nil {
		return fmt.Errorf("look for another administrator: %w", err)
	}
	if !others {
		return user.ErrLastAdmin
	}
	return nil
}

// authority is that of the principal of ctx, as it is in the database.
func authority(ctx context.Context, tx bun.Tx) (user.Authority, error) {
	p := identity.PrincipalFrom(ctx)
	if p.Kind != identity.KindUser {
		return user.AuthorityOf(p, nil), nil
	}
	id, err := uuid.Parse(p.Subject)
	if err != nil {
		return user.Authority{}, nil
	}
	r, err := rights(ctx, tx, id)
	switch {
	case errors.Is(err, user.ErrNotFound):
		return user.Authority{}, nil
	case err != nil:
		return user.Authority{}, err
	}
	return user.AuthorityOf(p, &r), nil
}

// lock waits for the schema's lock of that name, which ends with the
// transaction. Statements from here on see what was committed under it.
func lock(ctx context.Context, tx bun.Tx, name string) error {
	_, err := tx.NewRaw(`SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '/' || ?, 0))`, name).Exec(ctx)
	if err != nil {
		return fmt.Errorf("lock %s: %w", name, err)
	}
	return nil
}
