package user

import (
	"slices"
	"time"

	"gatehouse.example/internal/event"
)

// birth returns the events of a new user.
func birth(u User, now time.Time) ([]event.Event, error) {
	registered, err := event.New(event.SourceUser, event.TypeUserRegistered, u.ID.String(),
		event.UserRegistered{UserID: u.ID.String(), Email: u.Email}, now)
	return []event.Event{registered}, err
}

// changes returns the events that tell the way from before to after, or none
// if they are the same. The order is that in which a reader should learn them.
func changes(before, after User, now time.Time) ([]event.Event, error) {
	if after.Status == StatusDeleted {
		e, err := deletedEvent(after, now)
		return []event.Event{e}, err
	}
	id := after.ID.String()
	var events []event.Event
	add := func(typ string, data any) error {
		e, err := event.New(event.SourceUser, typ, id, data, now)
		events = append(events, e)
		return err
	}
	if after.EmailVerified && !before.EmailVerified {
		if err := add(event.TypeUserVerified, event.UserVerified{UserID: id, Email: after.Email}); err != nil {
			return nil, err
		}
	}
	if after.Status == StatusSuspended && before.Status != StatusSuspended {
		if err := add(event.TypeUserSuspended, event.UserSuspended{UserID: id}); err != nil {
			return nil, err
		}
	}
	if fields := changed(before, after); len(fields) > 0 {
		if err := add(event.TypeUserUpdated, event.UserUpdated{UserID: id, Changed: fields}); err != nil {
			return nil, err
		}
	}
	return events, nil
}

// changed names the members of the representation that differ, without those
// that verified, suspended and deleted tell.
func changed(before, after User) []string {
	var fields []string
	for name, differs := range map[string]bool{
		"email":    before.Email != after.Email,
		"username": before.Username != after.Username,
		"status":   before.Status != after.Status,
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

func deletedEvent(u User, now time.Time) (event.Event, error) {
	return event.New(event.SourceUser, event.TypeUserDeleted, u.ID.String(), event.UserDeleted{UserID: u.ID.String()}, now)
}
