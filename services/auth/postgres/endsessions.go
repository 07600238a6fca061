package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"gatehouse.example/internal/event"
	"gatehouse.example/services/auth"
)

// notOffline keeps the refresh tokens that outlive their session
// (OpenID Connect Back-Channel Logout §2.7).
const notOffline = `AND NOT ('offline_access' = ANY (scopes))`

// SignOut ends the session and the refresh tokens that do not outlive it; those
// with offline_access go on.
func (s *Endings) SignOut(ctx context.Context, sessionID string, now time.Time) error {
	return s.tx(ctx, "sign out", func(ctx context.Context, tx bun.Tx) error {
		return s.endSession(ctx, tx, sessionID, auth.EndedSignOut, notOffline, now)
	})
}

// EndSession ends the user's session with everything that came of it. It
// returns [auth.ErrNotFound] if the user has no such live session.
func (s *Endings) EndSession(ctx context.Context, userID, sessionID string, now time.Time) error {
	if !isUUID(sessionID) || !isUUID(userID) {
		return fmt.Errorf("end session: %w", auth.ErrNotFound)
	}
	return s.tx(ctx, "end session", func(ctx context.Context, tx bun.Tx) error {
		var found bool
		if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT FROM sessions WHERE id = ?::uuid AND user_id = ?::uuid AND ended_at IS NULL)`, sessionID, userID).Scan(&found); err != nil {
			return err
		}
		if !found {
			return auth.ErrNotFound
		}
		return s.endSession(ctx, tx, sessionID, auth.EndedRevoked, "", now)
	})
}

// EndOthers ends the user's sessions but the one to keep ("" keeps none), with
// everything that came of them. Of a kept session nothing ends. The reason is
// one of the constants auth.Ended….
func (s *Endings) EndOthers(ctx context.Context, userID, keepSessionID, reason string, now time.Time) error {
	if !isUUID(userID) {
		return nil
	}
	return s.tx(ctx, "end sessions of "+userID, func(ctx context.Context, tx bun.Tx) error {
		return s.endOthers(ctx, tx, userID, keepSessionID, reason, now)
	})
}

func (s *Endings) endOthers(ctx context.Context, tx bun.Tx, userID, keep, reason string, now time.Time) error {
	if err := s.endSessions(ctx, tx, userID, keep, reason, now); err != nil {
		return err
	}
	if !isUUID(keep) {
		keep = noUUID
	}
	// What came of sessions that are over by themselves: offline_access.
	if err := s.endFamilies(ctx, tx, reason, now, `user_id = ?::uuid AND session_id <> ?::uuid`, userID, keep); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM authorization_codes WHERE user_id = ?::uuid AND session_id <> ?::uuid AND consumed_at IS NULL`, userID, keep)
	return err
}

// noUUID is the id of nothing.
const noUUID = "00000000-0000-0000-0000-000000000000"

func (s *Endings) endSessions(ctx context.Context, tx bun.Tx, userID, keep, reason string, now time.Time) error {
	var sessions []string
	// In one order, so that two of us do not wait for one another.
	if err := tx.NewRaw(`SELECT id FROM sessions WHERE user_id = ?::uuid AND ended_at IS NULL AND id::text <> ? ORDER BY id`, userID, keep).Scan(ctx, &sessions); err != nil {
		return err
	}
	for _, id := range sessions {
		if err := s.endSession(ctx, tx, id, reason, "", now); err != nil {
			return err
		}
	}
	return nil
}

// endSession ends a session that is not over yet. One whose time was over
// before is ended silently: nothing came to an end.
func (s *Endings) endSession(ctx context.Context, tx bun.Tx, sessionID, reason, families string, now time.Time) error {
	var ended []struct {
		UserID string `bun:"user_id"`
		Live   bool   `bun:"live"`
	}
	if err := tx.NewRaw(`UPDATE sessions SET ended_at = ? WHERE id = ?::uuid AND ended_at IS NULL
		RETURNING user_id, expires_at > ? AND idle_expires_at > ? AS live`, clock(now), sessionID, clock(now), clock(now)).Scan(ctx, &ended); err != nil {
		return err
	}
	if len(ended) == 0 {
		return nil
	}
	userID := ended[0].UserID
	if _, err := s.revoke(ctx, tx, auth.Revocation{Kind: auth.RevokedSession, ID: sessionID, Until: now.Add(s.lifetime)}, now); err != nil {
		return err
	}
	if ended[0].Live {
		if err := record(ctx, tx, recorded{action: "session.revoked", subjectKind: "session", subjectID: sessionID, reason: reason, by: actorFor(reason, userID),
			details: []string{"user_id", userID}}, now); err != nil {
			return err
		}
		if err := appendEvent(ctx, tx, event.TypeSessionRevoked, userID, event.SessionRevoked{UserID: userID, SessionID: sessionID, Reason: reason}, now); err != nil {
			return err
		}
	}
	return s.endFamilies(ctx, tx, reason, now, `session_id = ?::uuid `+families, sessionID)
}
