package graph

import (
	"strings"
	"time"
)

// User is a person. What the user service says of it is Account, or nil where
// Err says why there is none: the id is known all the same, and with it what
// the other services know.
type User struct {
	ID      string
	Account *Account
	Err     error
}

// Account is a user as the user service answers it.
type Account struct {
	ID            string    `json:"id"`
	Email         string    `json:"email"`
	EmailVerified bool      `json:"email_verified"`
	Username      *string   `json:"username"`
	Phone         *string   `json:"phone"`
	Status        string    `json:"status"`
	Roles         []string  `json:"roles"`
	Profile       *Profile  `json:"profile"`
	CreatedAt     time.Time `json:"created_at"`
	UpdatedAt     time.Time `json:"updated_at"`
}

// Email answers User.email; its error, like that of the methods below, is u.Err.
func (u User) Email() (*string, error) {
	return from(u, func(a *Account) *string { return &a.Email })
}

// EmailVerified answers User.emailVerified.
func (u User) EmailVerified() (*bool, error) {
	return from(u, func(a *Account) *bool { return &a.EmailVerified })
}

// Username answers User.username.
func (u User) Username() (*string, error) {
	return from(u, func(a *Account) *string { return a.Username })
}

// Phone answers User.phone.
func (u User) Phone() (*string, error) {
	return from(u, func(a *Account) *string { return a.Phone })
}

// Status answers User.status.
func (u User) Status() (*UserStatus, error) {
	return from(u, func(a *Account) *UserStatus { return statusOf(a.Status) })
}

// Profile answers User.profile.
func (u User) Profile() (*Profile, error) {
	return from(u, func(a *Account) *Profile { return a.Profile })
}

// Roles answers User.roles.
func (u User) Roles() ([]string, error) {
	if u.Err != nil {
		return nil, u.Err
	}
	return append([]string{}, u.Account.Roles...), nil
}

// CreatedAt answers User.createdAt.
func (u User) CreatedAt() (*time.Time, error) {
	return from(u, func(a *Account) *time.Time { return &a.CreatedAt })
}

// UpdatedAt answers User.updatedAt.
func (u User) UpdatedAt() (*time.Time, error) {
	return from(u, func(a *Account) *time.Time { return &a.UpdatedAt })
}

func from[T any](u User, field func(*Account) *T) (*T, error) {
	if u.Err != nil {
		return nil, u.Err
	}
	return field(u.Account), nil
}

// UserStatus is the state of an account.
type UserStatus string

// The states of an account.
const (
	UserStatusPending   UserStatus = "PENDING"
	UserStatusActive    UserStatus = "ACTIVE"
	UserStatusSuspended UserStatus = "SUSPENDED"
	UserStatusDeleted   UserStatus = "DELETED"
)

// statusOf returns nil for a state that the schema does not know.
func statusOf(text string) *UserStatus {
	switch s := UserStatus(strings.ToUpper(text)); s {
	case UserStatusPending, UserStatusActive, UserStatusSuspended, UserStatusDeleted:
		return &s
	default:
		return nil
	}
}

// Profile is what a person says of itself (OpenID Connect Core §5.1), as the
// user service answers it.
type Profile struct {
	Name              *string  `json:"name"`
	GivenName         *string  `json:"given_name"`
	FamilyName        *string  `json:"family_name"`
	MiddleName        *string  `json:"middle_name"`
	Nickname          *string  `json:"nickname"`
	PreferredUsername *string  `json:"preferred_username"`
	Profile           *string  `json:"profile"`
	Picture           *string  `json:"picture"`
	Website           *string  `json:"website"`
	Gender            *string  `json:"gender"`
	Birthdate         *string  `json:"birthdate"`
	Zoneinfo          *string  `json:"zoneinfo"`
	Locale            *string  `json:"locale"`
	PhoneNumber       *string  `json:"phone_number"`
	Address           *Address `json:"address"`
	// Attributes is an object by the installation's schema.
	Attributes JSON `json:"attributes"`
}

// Address is the address claim (OpenID Connect Core §5.1.1).
type Address struct {
	Formatted     *string `json:"formatted"`
	StreetAddress *string `json:"street_address"`
	Locality      *string `json:"locality"`
	Region        *string `json:"region"`
	PostalCode    *string `json:"postal_code"`
	Country       *string `json:"country"`
}
