package rest

import (
	"slices"
	"time"

	"gatehouse.example/internal/problem"
	"gatehouse.example/services/user"
)

// User is a user's representation. The profile is embedded; its phone_number
// is the same value as phone.
type User struct {
	ID            string       `json:"id" format:"uuid" readOnly:"true"`
	Email         string       `json:"email" format:"email" maxLength:"254"`
	EmailVerified bool         `json:"email_verified" readOnly:"true"`
	Username      string       `json:"username,omitempty" doc:"Lower case"`
	Phone         string       `json:"phone,omitempty" doc:"E.164" example:"+442071838750"`
	Status        string       `json:"status" enum:"pending,active,suspended,deleted" doc:"Of deleted users only where a list asks for them"`
	StatusReason  string       `json:"status_reason,omitempty" maxLength:"500" doc:"What an administrator noted for the suspension"`
	Roles         []string     `json:"roles" nullable:"false" readOnly:"true" doc:"Changed by PUT /v1/users/{id}/roles"`
	Profile       user.Profile `json:"profile"`
	CreatedAt     time.Time    `json:"created_at" readOnly:"true"`
	UpdatedAt     time.Time    `json:"updated_at" readOnly:"true"`
	DeletedAt     *time.Time   `json:"deleted_at,omitempty" readOnly:"true"`
}

// NewUser is the body that creates a user.
type NewUser struct {
	Email    string       `json:"email" doc:"Unique, case ignored" example:"ada@example.com"`
	Username string       `json:"username,omitempty" minLength:"3" doc:"3 to 64 characters out of a-z, 0-9, dot, underscore and hyphen; unique, case ignored" example:"ada"`
	Phone    string       `json:"phone,omitempty" doc:"E.164" example:"+442071838750"`
	Profile  user.Profile `json:"profile,omitempty"`
	Status   string       `json:"status,omitempty" enum:"pending,active" doc:"pending where it is absent"`
}

// UserPatch is a merge patch for a [User]. Read-only members may be present
// with the value that they have.
type UserPatch struct {
	ID            string       `json:"id,omitempty" readOnly:"true"`
	Email         string       `json:"email,omitempty"`
	EmailVerified bool         `json:"email_verified,omitempty" readOnly:"true"`
	Username      string       `json:"username,omitempty" minLength:"3" doc:"null removes it"`
	Phone         string       `json:"phone,omitempty"`
	Status        string       `json:"status,omitempty" doc:"pending, active or suspended"`
	StatusReason  string       `json:"status_reason,omitempty" doc:"Only of a suspended user; one line of at most 500 characters; null removes it"`
	Roles         []string     `json:"roles,omitempty" nullable:"false" readOnly:"true"`
	Profile       ProfilePatch `json:"profile,omitempty"`
	CreatedAt     string       `json:"created_at,omitempty" readOnly:"true" format:"date-time"`
	UpdatedAt     string       `json:"updated_at,omitempty" readOnly:"true" format:"date-time"`
}

// userOutput is an answer with one user.
type userOutput struct {
	ETag string `header:"ETag"`
	Body User
}

func output(u user.User) *userOutput { return &userOutput{ETag: etag(u), Body: represent(u)} }

func represent(u user.User) User {
	r := User{
		ID: u.ID.String(), Email: u.Email, EmailVerified: u.EmailVerified, Username: u.Username,
		Phone: u.Profile.PhoneNumber, Status: string(u.Status), Roles: append([]string{}, u.Roles...),
		StatusReason: u.StatusReason, Profile: u.Profile, CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt,
	}
	if !u.DeletedAt.IsZero() {
		r.DeletedAt = &u.DeletedAt
	}
	return r
}

// readOnly lists the members of a patched representation that differ from
// before though nobody may change them here.
func readOnly(before, after User) []problem.Violation {
	var found []problem.Violation
	for _, m := range []struct {
		differs         bool
		pointer, detail string
	}{
		{after.ID != before.ID, "/id", "is read-only"},
		{after.EmailVerified != before.EmailVerified, "/email_verified", "is read-only; a person proves its address"},
		{!slices.Equal(after.Roles, before.Roles), "/roles", "is changed by PUT /v1/users/{id}/roles"},
		{!after.CreatedAt.Equal(before.CreatedAt), "/created_at", "is read-only"},
		{!after.UpdatedAt.Equal(before.UpdatedAt), "/updated_at", "is read-only"},
	} {
		if m.differs {
			found = append(found, problem.Violation{Pointer: m.pointer, Detail: m.detail})
		}
	}
	return found
}
