// Package mint owns the form of the JWTs that the auth service issues: access
// tokens (RFC 9068) and ID tokens (OpenID Connect Core §2). It makes them and
// checks its own access tokens.
//
// Whether a token should be issued, and whether one was revoked, is left to
// the endpoints; signatures to internal/jose, keys to services/auth/keyring.
package mint

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"

	"gatehouse.example/internal/jose"
	"gatehouse.example/services/auth"
)

// The "typ" headers. An ID token is never taken for an access token
// (RFC 8725 §3.11, RFC 9068 §2.1).
const (
	TypeAccessToken = "at+jwt"
	TypeIDToken     = "JWT"
)

// Keys gives the keys to sign and to verify with.
type Keys interface {
	Active() jose.Key
	Set() jose.Set
}

// Options configures [New].
type Options struct {
	// Issuer is the "iss" of every token, as configured.
	Issuer string
	Keys   Keys
	// AccessTokenLifetime is also the lifetime of ID tokens. Zero: 5 minutes.
	AccessTokenLifetime time.Duration
	// Now is the clock. nil: time.Now.
	Now func() time.Time
}

// Minter makes and checks tokens. It is safe for concurrent use.
type Minter struct {
	issuer   string
	keys     Keys
	lifetime time.Duration
	now      func() time.Time
}

// New returns a minter.
func New(o Options) *Minter {
	if o.AccessTokenLifetime <= 0 {
		o.AccessTokenLifetime = 5 * time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Minter{issuer: o.Issuer, keys: o.Keys, lifetime: o.AccessTokenLifetime, now: o.Now}
}

// Lifetime returns how long an access token is valid.
func (m *Minter) Lifetime() time.Duration { return m.lifetime }

// AccessToken is what an access token says.
type AccessToken struct {
	// ID is the jti, made by the caller, who may have to store it first.
	ID        string
	Subject   string
	ClientID  string
	SessionID string
	Audience  []string
	Scopes    []string
	Roles     []string
	// Permissions is what Roles permit together.
	Permissions []string
	// AuthTime is zero in a token for a client itself.
	AuthTime time.Time
	// ExpiresAt is when it ends; zero: now and the lifetime.
	ExpiresAt time.Time
}

type accessClaims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  []string `json:"aud"`
	ExpiresAt int64    `json:"exp"`
	IssuedAt  int64    `json:"iat"`
	ID        string   `json:"jti"`
	ClientID  string   `json:"client_id"`
	Scope     string   `json:"scope,omitempty"`
	Roles     []string `json:"roles,omitempty"`
	// Permissions is ours; RFC 9068 §2.2.3.1 names roles and entitlements only.
	Permissions []string `json:"permissions,omitempty"`
	SessionID   string   `json:"sid,omitempty"`
	AuthTime    int64    `json:"auth_time,omitempty"`
}

// AccessToken signs an access token (RFC 9068 §2).
func (m *Minter) AccessToken(t AccessToken) (string, error) {
	now := m.now()
	if t.ExpiresAt.IsZero() {
		t.ExpiresAt = now.Add(m.lifetime)
	}
	c := accessClaims{
		Issuer: m.issuer, Subject: t.Subject, Audience: t.Audience, ExpiresAt: t.ExpiresAt.Unix(), IssuedAt: now.Unix(),
		ID: t.ID, ClientID: t.ClientID, Scope: auth.FormatScope(t.Scopes), Roles: t.Roles, Permissions: t.Permissions, SessionID: t.SessionID,
	}
	if !t.AuthTime.IsZero() {
		c.AuthTime = t.AuthTime.Unix()
	}
	token, err := jose.Sign(m.keys.Active(), TypeAccessToken, c, nil)
	if err != nil {
		return "", fmt.Errorf("sign access token: %w", err)
	}
	return token, nil
}

// IDToken is what an ID token says.
type IDToken struct {
	Subject, ClientID, SessionID, Nonce string
	AuthTime                            time.Time
	// AccessToken is the token that goes with it; at_hash binds the two.
	AccessToken string
}

type idClaims struct {
	Issuer     string `json:"iss"`
	Subject    string `json:"sub"`
	Audience   string `json:"aud"`
	ExpiresAt  int64  `json:"exp"`
	IssuedAt   int64  `json:"iat"`
	AuthTime   int64  `json:"auth_time,omitempty"`
	Nonce      string `json:"nonce,omitempty"`
	AccessHash string `json:"at_hash,omitempty"`
	SessionID  string `json:"sid,omitempty"`
}

// IDToken signs an ID token (OpenID Connect Core §2). Claims about the person
// are at the userinfo endpoint (§5.4).
func (m *Minter) IDToken(t IDToken) (string, error) {
	now := m.now()
	c := idClaims{
		Issuer: m.issuer, Subject: t.Subject, Audience: t.ClientID, ExpiresAt: now.Add(m.lifetime).Unix(), IssuedAt: now.Unix(),
		AuthTime: t.AuthTime.Unix(), Nonce: t.Nonce, AccessHash: accessHash(t.AccessToken), SessionID: t.SessionID,
	}
	token, err := jose.Sign(m.keys.Active(), TypeIDToken, c, nil)
	if err != nil {
		return "", fmt.Errorf("sign ID token: %w", err)
	}
	return token, nil
}

// accessHash is the left half of the SHA-256 of the token (OpenID Connect Core
// §3.1.3.6; the hash is that of ES256).
func accessHash(token string) string {
	if token == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// VerifyAccessToken checks signature, type, issuer and expiry of an access
// token of ours. Audience nil accepts every audience. Whether it was revoked is
// for the caller to find out.
func (m *Minter) VerifyAccessToken(ctx context.Context, token string, audience []string) (*jose.Token, error) {
	return jose.Verify(ctx, token, m.keys.Set(), jose.Expect{
		Issuer: m.issuer, Audience: audience, AnyAudience: audience == nil, Types: []string{TypeAccessToken}, Algorithms: []string{jose.ES256}, Now: m.now,
	})
}

// VerifyIDTokenHint checks an ID token that a client gives back to us. An
// expired one still says who was signed in (OpenID Connect RP-Initiated Logout
// 1.0 §2).
func (m *Minter) VerifyIDTokenHint(ctx context.Context, token string) (*jose.Token, error) {
	return jose.Verify(ctx, token, m.keys.Set(), jose.Expect{
		Issuer: m.issuer, AnyAudience: true, Types: []string{"jwt"}, Algorithms: []string{jose.ES256}, AllowExpired: true, Now: m.now,
	})
}
