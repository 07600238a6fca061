package user

import (
	"time"

	"gatehouse.example/internal/rbac"
)

// Permission is something that a role can permit.
type Permission struct {
	// Name is resource:action.
	Name string
	// Description is for people; may be empty.
	Description string
	// Builtin says that Gatehouse's own API asks for it.
	Builtin bool
	// CreatedAt is when it became known, zero for a built-in one.
	CreatedAt time.Time
}

func (p *Permission) normalise() error {
	var bad Invalid
	if !rbac.ValidPermission(p.Name) || rbac.IsWildcard(p.Name) {
		bad.Add("/name", "must be resource:action such as invoices:read")
	}
	checkDescription(&p.Description, &bad)
	return bad.err()
}
