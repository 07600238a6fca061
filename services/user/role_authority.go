package user

import (
	"slices"

	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/rbac"
)

// Rights is what a user may do, as it is stored now.
type Rights struct {
	// Status is the state of the account; only an active one may do anything.
	Status Status
	// Roles are the assigned ones, sorted, never nil.
	Roles []string
	// Permissions is what the roles permit together, those included that they
	// inherit and those that a wildcard stands for; sorted, never nil.
	Permissions []string
}

// Authority is what somebody may hand on to others: what it may do itself.
// The zero value may hand on nothing.
type Authority struct {
	all, client  bool
	held, scopes []string
}

// AuthorityOf returns what p may hand on. rights are those of a user as they
// are stored now, because its credential may be some minutes old; nil if there
// is no such user. They are not read for others: a client hands on what its scopes name, operator-
// defined permissions like those of Gatehouse, for whoever may make a client
// could else hand on by it what he lacks; with the scope admin, everything.
// Nobody and a service are the program itself, such as the setup of the
// first administrator; the public API admits neither.
func AuthorityOf(p identity.Principal, rights *Rights) Authority {
	switch p.Kind {
	case identity.KindNobody, identity.KindService:
		return Authority{all: true}
	case identity.KindClient:
		return Authority{all: p.HasScope(identity.ScopeAdmin), client: true, scopes: p.Scopes}
	case identity.KindUser:
		if rights == nil || rights.Status != StatusActive {
			return Authority{}
		}
		return Authority{all: slices.Contains(rights.Roles, rbac.RoleAdmin), held: rights.Permissions}
	}
	return Authority{}
}

// Lacks returns those of the permissions that it may not hand on.
func (a Authority) Lacks(permissions []string) []string {
	var lacking []string
	for _, p := range permissions {
		if !a.may(p) {
			lacking = append(lacking, p)
		}
	}
	return lacking
}

func (a Authority) may(permission string) bool {
	switch {
	case a.all:
		return true
	case !a.client:
		return rbac.Covers(a.held, permission)
	case rbac.IsWildcard(permission) && slices.ContainsFunc(rbac.All(), func(own string) bool { return rbac.Wildcard(own) == permission }):
		// It would stand for what later releases know, too.
		return false
	}
	// By name: a scope is no pattern, whatever it looks like.
	return slices.Contains(a.scopes, permission)
}

// MayAssign refuses to give the roles added, which permit permissions
// together, or to take those removed, by an [Escalation].
func (a Authority) MayAssign(added, removed, permissions []string) error {
	if !a.all && (slices.Contains(added, rbac.RoleAdmin) || slices.Contains(removed, rbac.RoleAdmin)) {
		return &Escalation{Role: rbac.RoleAdmin}
	}
	if lacking := a.Lacks(permissions); len(lacking) > 0 {
		return &Escalation{Permissions: lacking}
	}
	return nil
}

// Need refuses, by a [Lacking], who does not have the permission by now,
// whatever its credential says.
func (a Authority) Need(permission string) error {
	if a.may(permission) {
		return nil
	}
	return &Lacking{Permission: permission}
}

// Difference returns what after has more and less than before, never nil.
func Difference(before, after []string) (added, removed []string) { return difference(before, after) }

// TakesOver reports whether the change from before to after decides who can use
// the account: another address receives the links that reset a password, and
// the username that it gives up is anybody's to sign in by.
func TakesOver(before, after User) bool {
	return EmailKey(before.Email) != EmailKey(after.Email) || before.Username != after.Username || before.Status != after.Status
}
