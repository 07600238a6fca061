package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"gatehouse.example/internal/database"
	"gatehouse.example/services/auth"
)

// Sessions stores sign-in sessions.
type Sessions struct{ db *database.DB }

// NewSessions returns the store on db.
func NewSessions(db *database.DB) *Sessions { return &Sessions{db} }

const sessionColumns = `id, user_id, cookie_hash, created_at, auth_time, last_seen_at, expires_at, idle_expires_at, ended_at, user_agent, address`

func scanSession(row pgx.Row) (auth.Session, error) {
	var s auth.Session
	err := row.Scan(&s.ID, &s.UserID, &s.CookieHash, &s.CreatedAt, &s.AuthTime, &s.LastSeenAt, &s.ExpiresAt, &s.IdleExpiresAt, &s.EndedAt, &s.UserAgent, &s.Address)
	return s, err
}

// CreateSession stores the session and ends the one of the cookie that it
// replaces. What that one's clients hold goes on until it expires.
func (s *Sessions) CreateSession(ctx context.Context, n auth.Session, replaces []byte) error {
	_, err := s.db.Pool.Exec(ctx, `WITH replaced AS (
			UPDATE sessions SET expires_at = LEAST(expires_at, $4), idle_expires_at = LEAST(idle_expires_at, $4) WHERE cookie_hash = $11::bytea AND ended_at IS NULL
		)
		INSERT INTO sessions (id, user_id, cookie_hash, created_at, auth_time, last_seen_at, expires_at, idle_expires_at, user_agent, address)
		VALUES ($1::uuid, $2::uuid, $3, $4, $5, $6, $7, $8, $9, $10)`,
		n.ID, n.UserID, n.CookieHash, clock(n.CreatedAt), clock(n.AuthTime), clock(n.LastSeenAt), clock(n.ExpiresAt), clock(n.IdleExpiresAt), n.UserAgent, n.Address, replaces)
	if err != nil {
		return fmt.Errorf("create session: %w", err)
	}
	return nil
}

// SessionByCookie returns the session, ended or not, or [auth.ErrNotFound].
func (s *Sessions) SessionByCookie(ctx context.Context, cookieHash []byte) (auth.Session, error) {
	found, err := scanSession(s.db.Pool.QueryRow(ctx, `SELECT `+sessionColumns+` FROM sessions WHERE cookie_hash = $1`, cookieHash))
	return found, notFound("load session", err)
}

// TouchSession records that the session is in use.
func (s *Sessions) TouchSession(ctx context.Context, id string, seen, idleExpires time.Time) error {
	_, err := s.db.Pool.Exec(ctx, `UPDATE sessions SET last_seen_at = $2, idle_expires_at = $3 WHERE id = $1::uuid AND ended_at IS NULL`, id, clock(seen), clock(idleExpires))
	if err != nil {
		return fmt.Errorf("touch session %s: %w", id, err)
	}
	return nil
}

// LiveSessions returns up to limit sessions of the user that are alive at now,
// with ids after the given one.
func (s *Sessions) LiveSessions(ctx context.Context, userID, after string, limit int, now time.Time) ([]auth.Session, error) {
	if !isUUID(after) {
		after = "00000000-0000-0000-0000-000000000000"
	}
	rows, err := s.db.Pool.Query(ctx, `SELECT `+sessionColumns+` FROM sessions
		WHERE user_id = $1::uuid AND id > $2::uuid AND ended_at IS NULL AND expires_at > $3 AND idle_expires_at > $3 ORDER BY id LIMIT $4`,
		userID, after, clock(now), limit)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (auth.Session, error) { return scanSession(row) })
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return found, nil
}

// AccessTokenEnded reports whether the access token, or the session or client
// that it names, was ended before its time.
func (s *Sessions) AccessTokenEnded(ctx context.Context, tokenID, sessionID, clientID string) (bool, error) {
	if !isUUID(sessionID) {
		sessionID = "00000000-0000-0000-0000-000000000000"
	}
	var ended bool
	err := s.db.Pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM revocations WHERE (kind, id) IN (($1, $2), ($3, $4)))
		OR EXISTS (SELECT FROM sessions WHERE id = $5::uuid AND ended_at IS NOT NULL)`,
		auth.RevokedToken, tokenID, auth.RevokedClient, clientID, sessionID).Scan(&ended)
	if err != nil {
		return false, fmt.Errorf("look up revocation of access token: %w", err)
	}
	return ended, nil
}
