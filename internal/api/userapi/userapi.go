// Package userapi is what the user service offers to other services: the wire
// types of its internal API and a typed client.
//
// It leaves the public REST API to services/user/rest and who may call which
// operation to the table in internal/identity (user.accounts.create, lookup
// and update are for service/auth alone).
package userapi

import (
	"context"
	"net/http"
	"net/url"

	"gatehouse.example/internal/api"
)

// The states of an account.
const (
	StatusPending   = "pending"
	StatusActive    = "active"
	StatusSuspended = "suspended"
	StatusDeleted   = "deleted"
)

// The codes of problems that the internal API answers.
const (
	CodeNotFound      = "user_not_found"
	CodeEmailTaken    = "email_taken"
	CodeUsernameTaken = "username_taken"
	CodeIDTaken       = "id_taken"
	CodeEmailChanged  = "email_changed"
)

// The paths of the internal API.
const (
	PathAccounts    = "/internal/v1/accounts"
	PathAccount     = "/internal/v1/accounts/{id}"
	PathVerifyEmail = "/internal/v1/accounts/{id}/verify-email"
	PathChangeEmail = "/internal/v1/accounts/{id}/change-email"
)

// Account is what another service may know of a person: enough to let it sign
// in and to fill a token.
type Account struct {
	ID            string   `json:"id"`
	Email         string   `json:"email"`
	EmailVerified bool     `json:"email_verified"`
	Username      string   `json:"username,omitempty"`
	Status        string   `json:"status"`
	Roles         []string `json:"roles"`
	// Permissions is what Roles permit together, those they inherit included.
	Permissions []string `json:"permissions,omitempty"`
	Locale      string   `json:"locale,omitempty"`
	Name        string   `json:"name,omitempty"`
	// Profile is the OIDC claims of the profile, phone and address scopes
	// (OpenID Connect Core §5.1), as they go into userinfo and id_token.
	// sub, email and email_verified are not in it.
	Profile map[string]any `json:"profile,omitempty"`
}

// NewAccount is an account to create.
type NewAccount struct {
	// ID is made by the caller (UUIDv7) and makes the call idempotent.
	ID       string   `json:"-"`
	Email    string   `json:"email"`
	Username string   `json:"username,omitempty"`
	Locale   string   `json:"locale,omitempty"`
	Roles    []string `json:"roles,omitempty"`
	// EmailVerified is for accounts whose address is proven already.
	EmailVerified bool `json:"email_verified,omitempty"`
	// Status is pending or active; empty means active if EmailVerified, else
	// pending.
	Status string `json:"status,omitempty"`
	// Profile is OIDC claims; an unknown one is refused.
	Profile map[string]any `json:"profile,omitempty"`
}

// EmailProof is the body of the verify-email operation.
type EmailProof struct {
	// Email is the address that was proven.
	Email string `json:"email"`
}

// EmailChange is the body of the change-email operation.
type EmailChange struct {
	// From is the address that the account had when the change was asked for.
	From string `json:"from"`
	// Email is the new address, which was proven.
	Email string `json:"email"`
}

// Client calls the user service. It is safe for concurrent use.
type Client struct{ api *api.Client }

// New returns a client that sends its requests through c.
func New(c *api.Client) *Client { return &Client{api: c} }

// CreateAccount creates the account n.ID. Creating the same account again (same
// id and address) returns it as it is by then.
//
// # Errors
//
// A 409 problem with [CodeEmailTaken], [CodeUsernameTaken], or [CodeIDTaken]
// when the id belongs to an account with another address; 422 for a value
// that is not acceptable; [api.ErrUnavailable].
func (c *Client) CreateAccount(ctx context.Context, n NewAccount) (Account, error) {
	var a Account
	err := c.api.Do(ctx, http.MethodPut, accountPath(n.ID), n, &a)
	return a, err
}

// AccountByID returns the account, or a 404 problem with [CodeNotFound].
func (c *Client) AccountByID(ctx context.Context, id string) (Account, error) {
	var a Account
	err := c.api.Do(ctx, http.MethodGet, accountPath(id), nil, &a)
	return a, err
}

// AccountByLogin returns the account whose email or username is login, case
// ignored, or a 404 problem with [CodeNotFound].
func (c *Client) AccountByLogin(ctx context.Context, login string) (Account, error) {
	var a Account
	query := url.Values{"login": {login}}
	err := c.api.Do(ctx, http.MethodGet, PathAccounts+"?"+query.Encode(), nil, &a)
	return a, err
}

// VerifyEmail records that the person has proven the address: email_verified
// becomes true and a pending account active. It is idempotent.
//
// # Errors
//
// A 404 problem with [CodeNotFound]; 409 with [CodeEmailChanged] when the
// account has another address by now. A suspended account stays suspended.
func (c *Client) VerifyEmail(ctx context.Context, id, email string) (Account, error) {
	var a Account
	err := c.api.Do(ctx, http.MethodPost, accountPath(id)+"/verify-email", EmailProof{Email: email}, &a)
	return a, err
}

// ChangeEmail gives the account another address, which the person has proven:
// email_verified becomes true. Changing to the address that it has by now does
// nothing.
//
// # Errors
//
// A 404 problem with [CodeNotFound]; 409 with [CodeEmailTaken] when another
// account has the address by now, and with [CodeEmailChanged] when the account's
// address is no longer p.From.
func (c *Client) ChangeEmail(ctx context.Context, id string, p EmailChange) (Account, error) {
	var a Account
	err := c.api.Do(ctx, http.MethodPost, accountPath(id)+"/change-email", p, &a)
	return a, err
}

func accountPath(id string) string { return PathAccounts + "/" + url.PathEscape(id) }
