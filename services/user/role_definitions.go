package user

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/event"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/rbac"
)

// Roles are the use cases on roles, permissions, and what they mean for a user.
// Assigning roles is a change of the user: [Accounts].Update, whose store holds
// it against the [Authority] of who asks. It is safe for concurrent use.
type Roles struct {
	store  RoleStore
	now    func() time.Time
	notify Notify
	logger *slog.Logger
}

// NewRoles returns the use cases on store.
func NewRoles(store RoleStore, o Options) *Roles {
	// What is nil in o has one meaning for all use cases.
	a := NewAccounts(nil, o)
	return &Roles{store: store, now: a.clock, notify: a.notify, logger: a.logger}
}

// NewRole is a role to make.
type NewRole struct {
	Name, Description     string
	Permissions, Inherits []string
	// Key, if not nil, makes it happen once.
	Key *IdempotencyKey
}

// Role returns the role or [ErrRoleNotFound].
func (r *Roles) Role(ctx context.Context, name string) (Role, error) {
	if !rbac.ValidRoleName(name) {
		return Role{}, ErrRoleNotFound
	}
	return r.store.Role(ctx, name)
}

// Roles returns up to limit roles whose names follow after, and whether there
// are more.
func (r *Roles) Roles(ctx context.Context, after string, limit int) ([]Role, bool, error) {
	list, err := r.store.Roles(ctx, after, limit+1)
	if err != nil || len(list) <= limit {
		return list, false, err
	}
	return list[:limit], true, nil
}

// Create makes a role. With a key that was used before it returns the role of
// that time as it is by now. Errors: [Invalid], [ErrRoleTaken], [RoleCycle],
// [UnknownRoles], [Escalation], [ErrKeyReused].
func (r *Roles) Create(ctx context.Context, n NewRole) (Role, error) {
	now := r.now()
	role := Role{
		Name: n.Name, Description: n.Description, Permissions: n.Permissions, Inherits: n.Inherits,
		Version: 1, CreatedAt: now, UpdatedAt: now,
	}
	if err := role.normalise(); err != nil {
		return Role{}, err
	}
	made := role
	err := r.define(ctx, func(ctx context.Context, tx Definitions, by Authority) error {
		made = role
		if n.Key != nil {
			earlier, err := tx.Claim(ctx, "role", *n.Key, role.Name, now, now.Add(-keyLifetime))
			if err != nil {
				return err
			}
			if earlier != "" {
				made, err = tx.Role(ctx, earlier)
				return err
			}
		}
		return r.save(ctx, tx, by, Role{Name: role.Name}, role)
	})
	return made, err
}

// Update lets edit change the role as it is now. Errors: those of edit and of
// [Roles.Create], [ErrRoleNotFound], [ErrBuiltin].
func (r *Roles) Update(ctx context.Context, name string, edit func(*Role) error) (Role, error) {
	if !rbac.ValidRoleName(name) {
		return Role{}, ErrRoleNotFound
	}
	var role Role
	err := r.define(ctx, func(ctx context.Context, tx Definitions, by Authority) error {
		before, err := tx.Role(ctx, name)
		if err != nil {
			return err
		}
		role = before.clone()
		if err := edit(&role); err != nil {
			return err
		}
		switch {
		case role.equal(before):
			return nil
		case role.Builtin:
			return ErrBuiltin
		}
		if err := role.normalise(); err != nil {
			return err
		}
		if role.equal(before) {
			return nil
		}
		role.Version++
		role.UpdatedAt = r.now()
		return r.save(ctx, tx, by, before, role)
	})
	return role, err
}

// save stores a role that was new or another one before.
func (r *Roles) save(ctx context.Context, tx Definitions, by Authority, before, after Role) error {
	permissions, _ := difference(before.Permissions, after.Permissions)
	parents, _ := difference(before.Inherits, after.Inherits)
	inherited, err := tx.Permitted(ctx, parents)
	if err != nil {
		return err
	}
	if lacking := by.Lacks(sorted(append(permissions, inherited...))); len(lacking) > 0 {
		return &Escalation{Permissions: lacking}
	}
	edges, err := tx.Parents(ctx)
	if err != nil {
		return err
	}
	if path := cycle(after.Name, after.Inherits, edges); path != nil {
		return &RoleCycle{Path: path}
	}
	if err := tx.Save(ctx, after); err != nil {
		return err
	}
	action := "role.updated"
	if after.Version == 1 {
		action = "role.created"
	}
	return r.leave(ctx, tx, action, "role", after.Name,
		"permissions", told(before.Permissions, after.Permissions), "inherits", told(before.Inherits, after.Inherits))
}

// told says in one line what was added and removed: "+a:b -c:d".
func told(before, after []string) string {
	var parts []string
	added, removed := difference(before, after)
	for _, s := range added {
		parts = append(parts, "+"+s)
	}
	for _, s := range removed {
		parts = append(parts, "-"+s)
	}
	return strings.Join(parts, " ")
}

// Delete removes the role that check, if not nil, agrees to. A role that
// somebody has or inherits goes only by force. Errors: those of check,
// [ErrRoleNotFound], [ErrBuiltin], [RoleInUse].
func (r *Roles) Delete(ctx context.Context, name string, force bool, check func(Role) error) error {
	if !rbac.ValidRoleName(name) {
		return ErrRoleNotFound
	}
	var lost []uuid.UUID
	err := r.define(ctx, func(ctx context.Context, tx Definitions, _ Authority) error {
		lost = nil
		role, err := tx.Role(ctx, name)
		if err != nil {
			return err
		}
		if check != nil {
			if err := check(role); err != nil {
				return err
			}
		}
		if role.Builtin {
			return ErrBuiltin
		}
		users, heirs, err := tx.Uses(ctx, name)
		if err != nil {
			return err
		}
		if !force && users+len(heirs) > 0 {
			return &RoleInUse{Users: users, Roles: heirs}
		}
		err = tx.Remove(ctx, name, func(u *User) (Trail, error) {
			lost = append(lost, u.ID)
			return r.withdraw(ctx, u, name)
		}, force)
		if err != nil {
			return err
		}
		for _, heir := range heirs {
			if err := r.leave(ctx, tx, "role.updated", "role", heir, "inherits", "-"+name); err != nil {
				return err
			}
		}
		return r.leave(ctx, tx, "role.deleted", "role", name, "users", strconv.Itoa(len(lost)), "heirs", strings.Join(heirs, " "))
	})
	if err != nil {
		return err
	}
	for _, id := range lost {
		r.tell(ctx, event.NoticePrincipal("user", id.String()), "user "+id.String())
	}
	return nil
}

// withdraw takes the role from the user.
func (r *Roles) withdraw(ctx context.Context, u *User, name string) (Trail, error) {
	before := u.clone()
	u.Roles = slices.DeleteFunc(u.Roles, func(has string) bool { return has == name })
	u.UpdatedAt = r.now()
	return changes(ctx, before, *u, u.UpdatedAt)
}

// define runs change as the caller, and tells after the commit that roles are
// no longer what they were.
func (r *Roles) define(ctx context.Context, change func(ctx context.Context, tx Definitions, by Authority) error) error {
	err := r.store.Define(ctx, func(ctx context.Context, tx Definitions) error {
		by, err := callersAuthority(ctx, tx.Rights)
		if err != nil {
			return err
		}
		if err := by.Need(rbac.RolesWrite); err != nil {
			return err
		}
		return change(ctx, tx, by)
	})
	if err == nil {
		r.tell(ctx, event.NoticeRoles, "")
	}
	return err
}

// callersAuthority is that of the principal of ctx, whose rights the function
// reads if it is a user.
func callersAuthority(ctx context.Context, read func(context.Context, uuid.UUID) (Rights, error)) (Authority, error) {
	p := identity.PrincipalFrom(ctx)
	if p.Kind != identity.KindUser {
		return AuthorityOf(p, nil), nil
	}
	id, err := uuid.Parse(p.Subject)
	if err != nil {
		return Authority{}, nil
	}
	rights, err := read(ctx, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return Authority{}, nil
	case err != nil:
		return Authority{}, err
	}
	return AuthorityOf(p, &rights), nil
}

// leave writes the event and the audit record of a change of a definition;
// details are name, value pairs, of which empty ones are left out.
func (r *Roles) leave(ctx context.Context, tx Definitions, action, kind, name string, details ...string) error {
	now := r.now()
	record, err := audit.New(ctx, service, action, kind, name, now)
	if err != nil {
		return err
	}
	for i := 0; i+1 < len(details); i += 2 {
		if details[i+1] != "" {
			record = record.With(details[i], details[i+1])
		}
	}
	trail := Trail{Records: []audit.Record{record}}
	if kind == "role" {
		e, err := event.New(event.SourceUser, event.TypeRoleChanged, name, event.RoleChanged{Role: name, Deleted: action == "role.deleted"}, now)
		if err != nil {
			return err
		}
		trail.Events = []event.Event{e}
	}
	return tx.Leave(ctx, trail)
}

// tell sends a notice. The change is committed, and its event tells the same
// more slowly: a failure is only logged.
func (r *Roles) tell(ctx context.Context, subject, data string) {
	if err := r.notify(context.WithoutCancel(ctx), subject, []byte(data)); err != nil {
		r.logger.WarnContext(ctx, "notice not sent", slog.String("subject", subject), slog.Any("error", err))
	}
}
