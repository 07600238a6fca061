package user

import (
	"slices"
	"time"

	"github.com/google/uuid"
)

// Status is the state of an account.
type Status string

// The states of an account.
const (
	// StatusPending: the address is not proven yet.
	StatusPending Status = "pending"
	// StatusActive: the person may sign in.
	StatusActive Status = "active"
	// StatusSuspended: an administrator has shut the person out.
	StatusSuspended Status = "suspended"
	// StatusDeleted: the account is gone for everyone, but can be restored until
	// it is erased.
	StatusDeleted Status = "deleted"
)

// Origin says how an account came to be.
type Origin string

// The origins of an account. Only an unfinished registration is swept.
const (
	OriginRegistration   Origin = "registration"
	OriginAdministration Origin = "administration"
)

// Valid reports whether s is one of the states.
func (s Status) Valid() bool {
	switch s {
	case StatusPending, StatusActive, StatusSuspended, StatusDeleted:
		return true
	}
	return false
}

// MayBecome reports whether an account may go from s to next. Staying is
// always legal; from deleted only [Accounts.Restore] leads back.
func (s Status) MayBecome(next Status) bool {
	if s == next {
		return true
	}
	switch s {
	case StatusPending:
		return next == StatusActive || next == StatusSuspended || next == StatusDeleted
	case StatusActive:
		return next == StatusSuspended || next == StatusDeleted
	case StatusSuspended:
		return next == StatusActive || next == StatusDeleted
	}
	return false
}

// User is one person's account.
type User struct {
	// ID is a UUIDv7, made once and the same in every service.
	ID uuid.UUID
	// Email is the address as [ParseEmail] normalises it.
	Email string
	// EmailVerified says that the person has proven Email.
	EmailVerified bool
	// Username is lower case, or empty.
	Username string
	// Status is where in its life the account is.
	Status Status
	// StatusReason is what an administrator noted for a suspension; "" else.
	StatusReason string
	// StatusBefore is the state that a deleted account had.
	StatusBefore Status
	// Roles are the names of the assigned roles, sorted, never nil.
	Roles []string
	// Profile is what the person says of itself.
	Profile Profile
	// Origin says how the account was made.
	Origin Origin
	// Version counts the changes, from 1; the ETag.
	Version int64
	// CreatedAt and UpdatedAt are UTC in microseconds, as the store keeps them.
	CreatedAt time.Time
	UpdatedAt time.Time
	// DeletedAt is zero unless Status is StatusDeleted.
	DeletedAt time.Time
}

// clone returns a copy that shares nothing with u.
func (u User) clone() User {
	u.Roles = slices.Clone(u.Roles)
	u.Profile = u.Profile.clone()
	return u
}

// maxReasonRunes is the length of a status reason.
const maxReasonRunes = 500

// normalise brings every value into its canonical form and notes what is not
// acceptable.
func (u *User) normalise(bad *Invalid) {
	if email, err := ParseEmail(u.Email); err != nil {
		bad.Add("/email", err.Error())
	} else {
		u.Email = email
	}
	if u.Username != "" {
		if name, err := ParseUsername(u.Username); err != nil {
			bad.Add("/username", err.Error())
		} else {
			u.Username = name
		}
	}
	if !u.Status.Valid() {
		bad.Add("/status", "must be pending, active or suspended")
	}
	if u.Status != StatusSuspended && u.Status != StatusDeleted {
		u.StatusReason = ""
	}
	checkLine("/status_reason", &u.StatusReason, maxReasonRunes, bad)
	u.Profile.check("/profile", bad)
	slices.Sort(u.Roles)
	u.Roles = slices.Compact(u.Roles)
	if u.Roles == nil {
		u.Roles = []string{}
	}
}
