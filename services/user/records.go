package user

import (
	"context"
	"strings"
	"time"

	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/identity"
)

// service is the name of the service in the audit log.
const service = "user"

// records collects audit records about one user until the first error. They
// name what changed, never the values: the log outlives the person's data.
type records struct {
	ctx  context.Context
	id   string
	now  time.Time
	list []audit.Record
	err  error
}

// add notes an action with details as name, value pairs.
func (r *records) add(action string, details ...string) {
	if r.err != nil {
		return
	}
	var record audit.Record
	record, r.err = audit.New(r.ctx, service, action, "user", r.id, r.now)
	if record.ActorKind == "" {
		// Background work: nobody asked for it.
		record = record.By(identity.KindService, service)
	}
	for i := 0; i+1 < len(details); i += 2 {
		record = record.With(details[i], details[i+1])
	}
	r.list = append(r.list, record)
}

// birth tells of a new user.
func (r *records) birth(u User) {
	r.add("user.created", "status", string(u.Status), "origin", string(u.Origin))
}

// change tells the way from before to after: one record for each kind of
// change, so that a reader finds it by its action.
func (r *records) change(before, after User) {
	if before.Status != after.Status {
		r.add(statusAction(before.Status, after.Status), "from", string(before.Status), "to", string(after.Status))
	}
	if EmailKey(before.Email) != EmailKey(after.Email) {
		proven := "false"
		if after.EmailVerified {
			proven = "true"
		}
		r.add("user.email_changed", "verified", proven)
	}
	if added, removed := difference(before.Roles, after.Roles); len(added)+len(removed) > 0 {
		r.add("user.roles_changed", "added", strings.Join(added, " "), "removed", strings.Join(removed, " "))
	}
	var fields []string
	for _, name := range changed(before, after) {
		switch {
		case name == "roles",
			name == "status" && before.Status != after.Status,
			name == "email" && EmailKey(before.Email) != EmailKey(after.Email):
		default:
			fields = append(fields, name)
		}
	}
	if before.EmailVerified != after.EmailVerified {
		fields = append(fields, "email_verified")
	}
	if len(fields) > 0 {
		r.add("user.updated", "changed", strings.Join(fields, " "))
	}
}

func statusAction(from, to Status) string {
	switch {
	case to == StatusDeleted:
		return "user.deleted"
	case from == StatusDeleted:
		return "user.restored"
	case to == StatusSuspended:
		return "user.suspended"
	case to == StatusActive:
		return "user.activated"
	}
	return "user.updated"
}

// farewell tells that nothing is left of the person.
func (r *records) farewell(u User) {
	if u.Status != StatusDeleted {
		r.add("user.deleted", "from", string(u.Status), "to", string(StatusDeleted), "reason", "unfinished")
	}
	r.add("user.erased")
}
