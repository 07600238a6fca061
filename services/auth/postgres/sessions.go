package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"

	"gatehouse.example/internal/database"
	"gatehouse.example/internal/event"
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
// replaces. What that one's clients hold goes on until it expires. A sign-in on
// a device that is new to a person who has signed in before is told as an event.
//
// It returns [auth.ErrRevoked] if n.PasswordHash is not the person's any more. The
// lock on the credential makes a change of the password at the same time either
// prevent the session or find and end it.
func (s *Sessions) CreateSession(ctx context.Context, n auth.NewSession) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if n.PasswordHash != "" {
			var same bool
			err := tx.QueryRowContext(ctx, `SELECT password_hash = ? FROM credentials WHERE user_id = ?::uuid FOR SHARE`, n.PasswordHash, n.UserID).Scan(&same)
			if errors.Is(err, sql.ErrNoRows) || (err == nil && !same) {
				return auth.ErrRevoked
			}
			if err != nil {
				return err
			}
		}
		fresh, err := newDevice(ctx, tx, n)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE sessions SET expires_at = LEAST(expires_at, ?), idle_expires_at = LEAST(idle_expires_at, ?)
			WHERE cookie_hash = ?::bytea AND ended_at IS NULL`, clock(n.CreatedAt), clock(n.CreatedAt), n.Replaces); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO sessions (id, user_id, cookie_hash, created_at, auth_time, last_seen_at, expires_at, idle_expires_at, user_agent, address)
			VALUES (?::uuid, ?::uuid, ?, ?, ?, ?, ?, ?, ?, ?)`,
			n.ID, n.UserID, n.CookieHash, clock(n.CreatedAt), clock(n.AuthTime), clock(n.LastSeenAt), clock(n.ExpiresAt), clock(n.IdleExpiresAt), n.UserAgent, n.Address); err != nil {
			return err
		}
		if err := record(ctx, tx, recorded{action: "session.created", subjectKind: "session", subjectID: n.ID, by: n.UserID,
			details: []string{"user_id", n.UserID, "method", n.Method}}, n.CreatedAt); err != nil {
			return err
		}
		if !fresh {
			return nil
		}
		return appendEvent(ctx, tx, event.TypeNewDevice, n.UserID, event.NewDevice{
			UserID: n.UserID, SessionID: n.ID, UserAgent: n.UserAgent, Address: n.Address,
		}, n.CreatedAt)
	})
	if err != nil {
		return fmt.Errorf("create session: %w", err)
	}
	return nil
}

// newDevice notes the use of the device and reports whether it is new to a
// person who has signed in before. A browser that is signed in as that person
// is known, with or without the cookie of the device.
func newDevice(ctx context.Context, tx bun.Tx, n auth.NewSession) (bool, error) {
	var before, signedIn, inserted bool
	if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT FROM known_devices WHERE user_id = ?::uuid) OR EXISTS (SELECT FROM sessions WHERE user_id = ?::uuid),
			EXISTS (SELECT FROM sessions WHERE cookie_hash = ?::bytea AND user_id = ?::uuid AND ended_at IS NULL AND expires_at > ? AND idle_expires_at > ?)`,
		n.UserID, n.UserID, n.Replaces, n.UserID, clock(n.CreatedAt), clock(n.CreatedAt)).Scan(&before, &signedIn); err != nil {
		return false, err
	}
	// A row that was inserted, not updated, has no deleting transaction.
	err := tx.QueryRowContext(ctx, `INSERT INTO known_devices (user_id, device_hash, created_at, last_used_at) VALUES (?::uuid, ?, ?, ?)
		ON CONFLICT (user_id, device_hash) DO UPDATE SET last_used_at = excluded.last_used_at RETURNING xmax = 0`,
		n.UserID, n.DeviceHash, clock(n.CreatedAt), clock(n.CreatedAt)).Scan(&inserted)
	return inserted && before && !signedIn, err
}

// Session returns the session, ended or not, or [auth.ErrNotFound].
func (s *Sessions) Session(ctx context.Context, id string) (auth.Session, error) {
	if !isUUID(id) {
		return auth.Session{}, fmt.Errorf("load session: %w", auth.ErrNotFound)
	}
	found, err := scanSession(s.db.Pool.QueryRow(ctx, `SELECT `+sessionColumns+` FROM sessions WHERE id = $1::uuid`, id))
	return found, notFound("load session", err)
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

// SeenSession records that a client of the session was active.
func (s *Sessions) SeenSession(ctx context.Context, id string, seen time.Time) error {
	_, err := s.db.Pool.Exec(ctx, `UPDATE sessions SET last_seen_at = $2 WHERE id = $1::uuid AND ended_at IS NULL AND last_seen_at < $2`, id, clock(seen))
	if err != nil {
		return fmt.Errorf("touch session %s: %w", id, err)
	}
	return nil
}

// LiveSessions returns up to limit sessions of the user that are alive at now,
// the newest first, of those older than the one with the given id; "" begins
// with the newest.
func (s *Sessions) LiveSessions(ctx context.Context, userID, before string, limit int, now time.Time) ([]auth.Session, error) {
	if !isUUID(before) {
		before = "ffffffff-ffff-ffff-ffff-ffffffffffff"
	}
	rows, err := s.db.Pool.Query(ctx, `SELECT `+sessionColumns+` FROM sessions
		WHERE user_id = $1::uuid AND id < $2::uuid AND ended_at IS NULL AND expires_at > $3 AND idle_expires_at > $3 ORDER BY id DESC LIMIT $4`,
		userID, before, clock(now), limit)
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
	err := s.db.Pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM revocations WHERE (kind, id) IN (($1, $2), ($3, $4), ($5, $6)))
		OR EXISTS (SELECT FROM sessions WHERE id = $6::text::uuid AND ended_at IS NOT NULL)`,
		auth.RevokedToken, tokenID, auth.RevokedClient, clientID, auth.RevokedSession, sessionID).Scan(&ended)
	if err != nil {
		return false, fmt.Errorf("look up revocation of access token: %w", err)
	}
	return ended, nil
}
