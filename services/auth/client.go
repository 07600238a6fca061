package auth

import (
	"crypto/subtle"
	"slices"
	"time"
)

// ClientType is the client type of RFC 6749 §2.1.
type ClientType string

// The client types.
const (
	ClientPublic       ClientType = "public"
	ClientConfidential ClientType = "confidential"
)

// GrantType is a value of grant_type (RFC 6749 §4, RFC 7591 §2).
type GrantType string

// The grant types that the token endpoint knows.
const (
	GrantAuthorizationCode GrantType = "authorization_code"
	GrantRefreshToken      GrantType = "refresh_token"
	GrantClientCredentials GrantType = "client_credentials"
)

// GrantTypes returns every grant type, in the order in which discovery lists them.
func GrantTypes() []GrantType {
	return []GrantType{GrantAuthorizationCode, GrantRefreshToken, GrantClientCredentials}
}

// AuthMethod is how a client authenticates at the token endpoint
// (RFC 7591 §2, token_endpoint_auth_method).
type AuthMethod string

// The client authentication methods.
const (
	AuthNone  AuthMethod = "none"
	AuthBasic AuthMethod = "client_secret_basic"
	AuthPost  AuthMethod = "client_secret_post"
)

// AuthMethods returns every client authentication method.
func AuthMethods() []AuthMethod { return []AuthMethod{AuthBasic, AuthPost, AuthNone} }

// ClientSecret is one of a client's secrets, as stored.
type ClientSecret struct {
	ID string
	// Hash is the secret's SHA-256: secrets are random, so that no slow hash
	// is needed.
	Hash      []byte
	ExpiresAt *time.Time
}

// Client is an application that asks for tokens (RFC 6749 §2).
type Client struct {
	ID                     string
	Name                   string
	Type                   ClientType
	RedirectURIs           []string
	PostLogoutRedirectURIs []string
	GrantTypes             []GrantType
	// Scopes is the most that a token for this client may allow.
	Scopes []string
	// Resources are the values of the resource parameter (RFC 8707) that the
	// client may name besides the default audience.
	Resources               []string
	TokenEndpointAuthMethod AuthMethod
	// FirstParty marks an application of the operator's own.
	FirstParty bool
	// Admin lets the client ask for the scope "admin" by client_credentials.
	Admin                bool
	Secrets              []ClientSecret
	CreatedAt, UpdatedAt time.Time
	// Version counts changes.
	Version int64
}

// SecretRotation gives a confidential client another secret.
type SecretRotation struct {
	ClientID string
	// Version is the one that the client must have; 0 takes any.
	Version int64
	Secret  ClientSecret
	// Overlap is how long the secret before still counts; 0: not at all.
	Overlap time.Duration
	Now     time.Time
}

// MayUse reports whether the client was registered with the grant type.
func (c Client) MayUse(g GrantType) bool { return slices.Contains(c.GrantTypes, g) }

// SecretMatches reports whether hash is that of one of the client's secrets
// that is valid at now. It takes the same time for every secret of the client.
func (c Client) SecretMatches(hash []byte, now time.Time) bool {
	matches := 0
	for _, s := range c.Secrets {
		if s.ExpiresAt != nil && !now.Before(*s.ExpiresAt) {
			continue
		}
		matches |= subtle.ConstantTimeCompare(s.Hash, hash)
	}
	return matches == 1
}

// AudienceFor returns the audience of a token that was asked for with the
// given resource parameters: the default audience without one, and
// [ErrMismatch] for one that the client may not name (RFC 8707 §2).
func (c Client) AudienceFor(resources []string) ([]string, error) {
	if len(resources) == 0 {
		return []string{DefaultAudience}, nil
	}
	for _, r := range resources {
		if !slices.Contains(c.Resources, r) {
			return nil, ErrMismatch
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(resources))), nil
}
