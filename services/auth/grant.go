package auth

import (
	"slices"
	"time"
)

// Grant is what a person allowed a client by signing in: the common part of an
// authorization code, the refresh tokens and the access tokens that come of it.
type Grant struct {
	// ID ties everything together that one authorization code produced.
	ID       string
	ClientID string
	UserID   string
	// SessionID is the sign-in session; "" once it is over.
	SessionID string
	Scopes    []string
	Audience  []string
	AuthTime  time.Time
}

// Offline reports whether the grant outlives the session
// (OpenID Connect Core §11).
func (g Grant) Offline() bool { return slices.Contains(g.Scopes, ScopeOfflineAccess) }

// AuthorizationCode is an issued code (RFC 6749 §4.1.2) with what it is bound to.
type AuthorizationCode struct {
	Grant
	// Hash is the code's SHA-256; the code itself is stored nowhere.
	Hash          []byte
	RedirectURI   string
	CodeChallenge string
	Nonce         string
	CreatedAt     time.Time
	ExpiresAt     time.Time
}

// AccessTokenRecord remembers an access token that belongs to a grant, or to a
// client itself, so that it can be revoked with it.
type AccessTokenRecord struct {
	// ID is the token's jti.
	ID        string
	ExpiresAt time.Time
}

// RefreshFamily is the one refresh token of a grant that is valid at a time.
// Rotation replaces the hash in place (RFC 9700 §4.14.2).
type RefreshFamily struct {
	Grant
	CurrentHash, PreviousHash []byte
	RotatedAt                 time.Time
	CreatedAt                 time.Time
	// ExpiresAt is the absolute end, IdleExpiresAt the end if it is not used.
	ExpiresAt, IdleExpiresAt time.Time
	RevokedAt                *time.Time
	// SessionEnded says that the session was ended (signed out or revoked).
	SessionEnded bool
	// SessionSeenAt is when the session was last used; nil once it is forgotten.
	SessionSeenAt *time.Time
}

// Usable returns nil, or why no token of the family may be used at now.
func (f RefreshFamily) Usable(now time.Time) error {
	switch {
	case f.RevokedAt != nil:
		return ErrRevoked
	case !now.Before(f.ExpiresAt), !now.Before(f.IdleExpiresAt):
		return ErrExpired
	case f.SessionEnded && !f.Offline():
		return ErrRevoked
	}
	return nil
}

// The kinds of revocation that gateways follow.
const (
	RevokedSession = "session"
	RevokedKey     = "key"
	RevokedToken   = "jti"
	// RevokedClient ends every access token of a client that is gone, those
	// too that it would get in the meantime.
	RevokedClient = "client"
)

// Revocation tells gateways to refuse something until it would have expired.
type Revocation struct {
	Kind  string    `json:"kind"`
	ID    string    `json:"id"`
	Until time.Time `json:"until"`
}

// Rotation exchanges the current refresh token of a family for its successor.
type Rotation struct {
	FamilyID, ClientID           string
	PresentedHash, SuccessorHash []byte
	// IdleExpiresAt is the end of the successor if it is not used.
	IdleExpiresAt time.Time
	// Issued is the access token that goes with the successor.
	Issued AccessTokenRecord
	// Client is what the token was made for: if the client may do something else
	// by now, there is no rotation.
	Client Client
	Now    time.Time
}
