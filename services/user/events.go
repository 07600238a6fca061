package user

import (
	"context"
	"errors"
	"slices"
	"time"

	"gatehouse.example/internal/event"
)

// Empty reports whether nothing happened.
func (t Trail) Empty() bool { return len(t.Events) == 0 && len(t.Records) == 0 }

// birth is the trail of a new user.
func birth(ctx context.Context, u User, now time.Time) (Trail, error) {
	var list events
	list.add(event.TypeUserRegistered, u.ID.String(), event.UserRegistered{UserID: u.ID.String(), Email: u.Email}, now)
	r := records{ctx: ctx, id: u.ID.String(), now: now}
	r.birth(u)
	return trail(list, r)
}

// changes is the trail of the way from before to after; empty if they are the
// same.
func changes(ctx context.Context, before, after User, now time.Time) (Trail, error) {
	r := records{ctx: ctx, id: after.ID.String(), now: now}
	r.change(before, after)
	return trail(changeEvents(before, after, now), r)
}

// farewell is the trail of a user whose row is removed: that the account is shut
// now, where it was not, and that nothing is left.
func farewell(ctx context.Context, u User, now time.Time) (Trail, error) {
	id := u.ID.String()
	var list events
	if u.Status != StatusDeleted {
		list.add(event.TypeUserDeleted, id, event.UserDeleted{UserID: id}, now)
	}
	list.add(event.TypeUserErased, id, event.UserErased{UserID: id}, now)
	r := records{ctx: ctx, id: id, now: now}
	r.farewell(u)
	return trail(list, r)
}

func trail(e events, r records) (Trail, error) {
	return Trail{Events: e.list, Records: r.list}, errors.Join(e.err, r.err)
}

// changeEvents tell the way from before to after, in the order in which a
// reader should learn them.
func changeEvents(before, after User, now time.Time) events {
	id := after.ID.String()
	var list events
	deleted, restored := after.Status == StatusDeleted, before.Status == StatusDeleted
	if deleted != restored {
		if deleted {
			list.add(event.TypeUserDeleted, id, event.UserDeleted{UserID: id}, now)
		} else {
			list.add(event.TypeUserRestored, id, event.UserRestored{UserID: id}, now)
		}
		return list
	}
	moved := EmailKey(after.Email) != EmailKey(before.Email)
	switch {
	case moved:
		// Whoever changed it: who reads the old address must hear of it.
		list.add(event.TypeUserEmailChanged, id, event.UserEmailChanged{UserID: id, OldEmail: before.Email, Email: after.Email}, now)
	case after.EmailVerified && !before.EmailVerified:
		list.add(event.TypeUserVerified, id, event.UserVerified{UserID: id, Email: after.Email}, now)
	}
	if after.Status == StatusSuspended && before.Status != StatusSuspended {
		list.add(event.TypeUserSuspended, id, event.UserSuspended{UserID: id, Reason: after.StatusReason}, now)
	}
	if added, removed := difference(before.Roles, after.Roles); len(added)+len(removed) > 0 {
		list.add(event.TypeUserRolesChanged, id, event.UserRolesChanged{UserID: id, Added: added, Removed: removed, Roles: after.Roles}, now)
	}
	if fields := changed(before, after); len(fields) > 0 {
		list.add(event.TypeUserUpdated, id, event.UserUpdated{UserID: id, Changed: fields}, now)
	}
	return list
}

// events collects events until the first error.
type events struct {
	list []event.Event
	err  error
}

func (l *events) add(typ, id string, data any, now time.Time) {
	if l.err != nil {
		return
	}
	var e event.Event
	e, l.err = event.New(event.SourceUser, typ, id, data, now)
	l.list = append(l.list, e)
}

// changed names the members of the representation that differ, without those
// that verified, suspended and deleted tell.
func changed(before, after User) []string {
	var fields []string
	for name, differs := range map[string]bool{
		"email":    before.Email != after.Email,
		"username": before.Username != after.Username,
		"status":   before.Status != after.Status || before.StatusReason != after.StatusReason,
		"roles":    !slices.Equal(before.Roles, after.Roles),
		"profile":  !before.Profile.equal(after.Profile),
	} {
		if differs {
			fields = append(fields, name)
		}
	}
	slices.Sort(fields)
	return fields
}

// difference returns what after has more and less than before, never nil.
func difference(before, after []string) (added, removed []string) {
	added, removed = []string{}, []string{}
	for _, r := range after {
		if !slices.Contains(before, r) {
			added = append(added, r)
		}
	}
	for _, r := range before {
		if !slices.Contains(after, r) {
			removed = append(removed, r)
		}
	}
	return added, removed
}
