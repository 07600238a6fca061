package postgres

import (
	"context"
	"fmt"
	"time"

	"gatehouse.example/internal/database"
	"gatehouse.example/services/auth"
)

// Codes stores authorization codes.
type Codes struct{ db *database.DB }

// NewCodes returns the store on db.
func NewCodes(db *database.DB) *Codes { return &Codes{db} }

// SaveCode stores a new code.
func (s *Codes) SaveCode(ctx context.Context, c auth.AuthorizationCode) error {
	_, err := s.db.Pool.Exec(ctx, `INSERT INTO authorization_codes
			(hash, grant_id, client_id, user_id, session_id, redirect_uri, code_challenge, nonce, scopes, audience, auth_time, created_at, expires_at)
		VALUES ($1, $2::uuid, $3, $4::uuid, $5::uuid, $6, $7, $8, $9, $10, $11, $12, $13)`,
		c.Hash, c.ID, c.ClientID, c.UserID, c.SessionID, c.RedirectURI, c.CodeChallenge, c.Nonce, list(c.Scopes), list(c.Audience),
		clock(c.AuthTime), clock(c.CreatedAt), clock(c.ExpiresAt))
	if err != nil {
		return fmt.Errorf("save authorization code: %w", err)
	}
	return nil
}

// Code returns the code, used or not, or [auth.ErrNotFound].
func (s *Codes) Code(ctx context.Context, hash []byte) (auth.AuthorizationCode, error) {
	c := auth.AuthorizationCode{Hash: hash}
	err := s.db.Pool.QueryRow(ctx, `SELECT grant_id, client_id, user_id, session_id, redirect_uri, code_challenge, nonce, scopes, audience, auth_time, created_at, expires_at
		FROM authorization_codes WHERE hash = $1`, hash).Scan(&c.ID, &c.ClientID, &c.UserID, &c.SessionID, &c.RedirectURI, &c.CodeChallenge, &c.Nonce,
		&c.Scopes, &c.Audience, &c.AuthTime, &c.CreatedAt, &c.ExpiresAt)
	if err != nil {
		return auth.AuthorizationCode{}, notFound("load authorization code", err)
	}
	return c, nil
}

// RedeemCode consumes the code and stores what it produces, all by one
// statement (RFC 6749 §4.1.3, §10.5): of any number of redemptions at the same
// time one gets past "consumed_at IS NULL". The lock on the session makes an
// ending at the same time either prevent the redemption or find its family. The code must be bound to what
// bound says; refresh is nil if the grant gets no refresh token.
//
// # Errors
//
// [auth.ErrConsumed], [auth.ErrExpired], [auth.ErrMismatch], [auth.ErrRevoked]
// if the session was ended, [auth.ErrConflict] if the client may do something
// else by now than client says, or [auth.ErrNotFound].
func (s *Codes) RedeemCode(ctx context.Context, client auth.Client, bound auth.AuthorizationCode, issued auth.AccessTokenRecord, refresh *auth.RefreshFamily, now time.Time) error {
	var refreshHash []byte
	end, idle := now, now
	if refresh != nil {
		refreshHash, end, idle = refresh.CurrentHash, refresh.ExpiresAt, refresh.IdleExpiresAt
	}
	var grantID string
	err := s.db.Pool.QueryRow(ctx, `WITH client AS (`+sameClient(11)+`), live AS (
			SELECT id FROM sessions WHERE id = (SELECT session_id FROM authorization_codes WHERE hash = $1) AND ended_at IS NULL FOR SHARE
		), redeemed AS (
			UPDATE authorization_codes SET consumed_at = $5
			WHERE hash = $1 AND client_id = $2 AND redirect_uri = $3 AND code_challenge = $4 AND consumed_at IS NULL AND expires_at > $5
			  AND session_id IN (SELECT id FROM live) AND client_id IN (SELECT id FROM client)
			RETURNING grant_id, client_id, user_id, session_id, scopes, audience, auth_time
		), issued AS (
			INSERT INTO issued_access_tokens (id, grant_id, expires_at) SELECT $6::uuid, grant_id, $7 FROM redeemed
		), family AS (
			INSERT INTO refresh_families (id, client_id, user_id, session_id, scopes, audience, auth_time, current_hash, rotated_at, created_at, expires_at, idle_expires_at)
			SELECT grant_id, client_id, user_id, session_id, scopes, audience, auth_time, $8, $5, $5, $9, $10 FROM redeemed WHERE $8::bytea IS NOT NULL
		)
		SELECT grant_id FROM redeemed`,
		append([]any{bound.Hash, bound.ClientID, bound.RedirectURI, bound.CodeChallenge, clock(now), issued.ID, clock(issued.ExpiresAt), refreshHash, clock(end), clock(idle)},
			sameClientArguments(client)...)...).Scan(&grantID)
	if err == nil {
		return nil
	}
	if err := notFound("redeem authorization code", err); !isNotFound(err) {
		return err
	}
	return s.whyNotRedeemed(ctx, bound, now)
}

func (s *Codes) whyNotRedeemed(ctx context.Context, bound auth.AuthorizationCode, now time.Time) error {
	var consumed, alive, matches, live bool
	err := s.db.Pool.QueryRow(ctx, `SELECT consumed_at IS NOT NULL, expires_at > $5, client_id = $2 AND redirect_uri = $3 AND code_challenge = $4,
			EXISTS (SELECT FROM sessions WHERE id = session_id AND ended_at IS NULL)
		FROM authorization_codes WHERE hash = $1`, bound.Hash, bound.ClientID, bound.RedirectURI, bound.CodeChallenge, clock(now)).Scan(&consumed, &alive, &matches, &live)
	switch {
	case err != nil:
		return notFound("redeem authorization code", err)
	case consumed:
		return fmt.Errorf("redeem authorization code: %w", auth.ErrConsumed)
	case !alive:
		return fmt.Errorf("redeem authorization code: %w", auth.ErrExpired)
	case !matches:
		return fmt.Errorf("redeem authorization code: %w", auth.ErrMismatch)
	case live:
		return fmt.Errorf("redeem authorization code: %w", auth.ErrConflict)
	}
	return fmt.Errorf("redeem authorization code: %w", auth.ErrRevoked)
}
