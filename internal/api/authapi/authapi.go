// Package authapi is what the auth service offers to other services: the wire
// types of its internal API and a typed client.
//
// It leaves the OAuth endpoints and the public REST API to services/auth and
// who may call which operation to the table in internal/identity
// (auth.api_keys.verify for the gateway, auth.challenges.link for email).
package authapi

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"gatehouse.example/internal/api"
)

// The codes of problems that the internal API answers.
const (
	CodeKeyInvalid        = "key_invalid"
	CodeChallengeNotFound = "challenge_not_found"
	CodeChallengeOver     = "challenge_over"
)

// The paths that other services call.
const (
	PathVerifyAPIKey  = "/internal/v1/api-keys/verify"
	PathChallengeLink = "/internal/v1/challenges/{id}/link"
	PathJWKS          = "/oauth2/jwks"
)

// The kinds of API key owner.
const (
	OwnerUser   = "user"
	OwnerClient = "client"
)

// APIKey is what a valid API key allows at this moment.
type APIKey struct {
	ID string `json:"id"`
	// RevocationID names the presented secret on the list of revocations (kind
	// "key"), beside ID: a rotation without overlap ends the secret alone.
	RevocationID string `json:"revocation_id,omitempty"`
	// OwnerKind is "user" or "client", OwnerID the id of that kind.
	OwnerKind string `json:"owner_kind"`
	OwnerID   string `json:"owner_id"`
	// Scopes is what the key allows and its owner may still do.
	Scopes []string `json:"scopes"`
	// Roles are those of an owner who is a user.
	Roles []string `json:"roles,omitempty"`
	// Permissions is what those roles permit together.
	Permissions []string `json:"permissions,omitempty"`
	// ExpiresAt is the end of the presented secret: that of the key, or the end
	// of the overlap for one that was replaced; nil for none.
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

// VerifyAPIKeyRequest is the body of the api_keys.verify operation.
type VerifyAPIKeyRequest struct {
	Key string `json:"key"`
}

// Link is a link to put into a mail. It is a secret of the recipient: it must
// be in no log and no table.
type Link struct {
	Link      string    `json:"link"`
	Purpose   string    `json:"purpose"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Client calls the auth service. It is safe for concurrent use.
type Client struct{ api *api.Client }

// New returns a client that sends its requests through c.
func New(c *api.Client) *Client { return &Client{api: c} }

// VerifyAPIKey returns what the key allows, or a 404 problem with
// [CodeKeyInvalid] for one that is unknown, expired, revoked, or whose owner
// may no longer act.
func (c *Client) VerifyAPIKey(ctx context.Context, key string) (APIKey, error) {
	var k APIKey
	err := c.api.Do(ctx, http.MethodPost, PathVerifyAPIKey, VerifyAPIKeyRequest{Key: key}, &k)
	return k, err
}

// ChallengeLink returns the link of a pending challenge. One that is no longer
// pending is a 410 problem with [CodeChallengeOver], an unknown one a 404 with
// [CodeChallengeNotFound]; neither will be answered otherwise later.
func (c *Client) ChallengeLink(ctx context.Context, challengeID string) (Link, error) {
	var l Link
	err := c.api.Do(ctx, http.MethodGet, "/internal/v1/challenges/"+url.PathEscape(challengeID)+"/link", nil, &l)
	return l, err
}

// JWKS returns the issuer's public keys as it publishes them (RFC 7517 §5).
func (c *Client) JWKS(ctx context.Context) ([]byte, error) {
	var body []byte
	err := c.api.Do(ctx, http.MethodGet, PathJWKS, nil, &body)
	return body, err
}
