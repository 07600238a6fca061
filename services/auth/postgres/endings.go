package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"gatehouse.example/internal/database"
	"gatehouse.example/internal/event"
	"gatehouse.example/internal/outbox"
	"gatehouse.example/services/auth"
)

// TypeRevoked is the outbox type of a revocation. It does not go to the event
// stream: the relay puts it on the gateways' revocation list, so that a broker
// that is away delays the notice and cannot lose it.
const TypeRevoked = "gatehouse.auth.revoked.v1"

// Endings ends what was granted: sessions, grants, tokens, keys, clients. Each
// ending and the notice to the gateways are one transaction.
type Endings struct {
	db *database.DB
	// lifetime bounds how long a token that names a session can still be valid.
	lifetime time.Duration
}

// NewEndings returns the store on db. accessTokenLifetime is the longest life
// of an access token.
func NewEndings(db *database.DB, accessTokenLifetime time.Duration) *Endings {
	return &Endings{db, accessTokenLifetime}
}

// SignOut ends the session and the refresh tokens that do not outlive it; those
// with offline_access go on (OpenID Connect Back-Channel Logout §2.7).
func (s *Endings) SignOut(ctx context.Context, sessionID string, now time.Time) error {
	return s.tx(ctx, "sign out", func(ctx context.Context, tx bun.Tx) error {
		return s.endSession(ctx, tx, sessionID, `AND NOT ('offline_access' = ANY (scopes))`, now)
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
		return s.endSession(ctx, tx, sessionID, "", now)
	})
}

func (s *Endings) endSession(ctx context.Context, tx bun.Tx, sessionID, families string, now time.Time) error {
	result, err := tx.ExecContext(ctx, `UPDATE sessions SET ended_at = ? WHERE id = ?::uuid AND ended_at IS NULL`, clock(now), sessionID)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return err
	}
	if err := s.revoke(ctx, tx, auth.Revocation{Kind: auth.RevokedSession, ID: sessionID, Until: now.Add(s.lifetime)}, now); err != nil {
		return err
	}
	return s.endFamilies(ctx, tx, "session", now, `session_id = ?::uuid `+families, sessionID)
}

// RevokeGrant ends everything that came of one authorization code: its refresh
// tokens and its access tokens. reason is for the administrator.
func (s *Endings) RevokeGrant(ctx context.Context, grantID, reason string, now time.Time) error {
	if !isUUID(grantID) {
		return nil
	}
	return s.tx(ctx, "revoke grant", func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE refresh_families SET revoked_at = ?, revoked_reason = ? WHERE id = ?::uuid AND revoked_at IS NULL`,
			clock(now), reason, grantID); err != nil {
			return err
		}
		return s.endTokens(ctx, tx, grantID, now)
	})
}

// RevokeAccessToken ends one access token.
func (s *Endings) RevokeAccessToken(ctx context.Context, tokenID string, expires, now time.Time) error {
	return s.tx(ctx, "revoke access token", func(ctx context.Context, tx bun.Tx) error {
		return s.revoke(ctx, tx, auth.Revocation{Kind: auth.RevokedToken, ID: tokenID, Until: expires}, now)
	})
}

// EndUser ends all sessions, grants and API keys of a user. With forget the
// credential and the challenges go too.
func (s *Endings) EndUser(ctx context.Context, userID string, forget bool, now time.Time) error {
	if !isUUID(userID) {
		return nil
	}
	return s.tx(ctx, "end user "+userID, func(ctx context.Context, tx bun.Tx) error {
		return s.endUser(ctx, tx, userID, forget, now)
	})
}

func (s *Endings) endUser(ctx context.Context, tx bun.Tx, userID string, forget bool, now time.Time) error {
	var sessions, keys []string
	if err := tx.NewRaw(`SELECT id FROM sessions WHERE user_id = ?::uuid AND ended_at IS NULL`, userID).Scan(ctx, &sessions); err != nil {
		return err
	}
	for _, id := range sessions {
		if err := s.endSession(ctx, tx, id, "", now); err != nil {
			return err
		}
	}
	if err := s.endFamilies(ctx, tx, "user", now, `user_id = ?::uuid`, userID); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM authorization_codes WHERE user_id = ?::uuid AND consumed_at IS NULL`, userID); err != nil {
		return err
	}
	if !forget {
		return s.noticeKeys(ctx, tx, userID, now)
	}
	if err := tx.NewRaw(`DELETE FROM api_keys WHERE owner_kind = 'user' AND owner_id = ? RETURNING id`, userID).Scan(ctx, &keys); err != nil {
		return err
	}
	for _, id := range keys {
		if err := s.revoke(ctx, tx, keyRevocation(id, now), now); err != nil {
			return err
		}
	}
	for _, table := range []string{"credentials", "challenges"} {
		if _, err := tx.ExecContext(ctx, `DELETE FROM ? WHERE user_id = ?::uuid`, bun.Ident(table), userID); err != nil {
			return err
		}
	}
	return nil
}

// DeleteAPIKey removes a key of the owner, or returns [auth.ErrNotFound].
func (s *Endings) DeleteAPIKey(ctx context.Context, ownerKind, ownerID, id string, now time.Time) error {
	if !isUUID(id) {
		return fmt.Errorf("delete API key: %w", auth.ErrNotFound)
	}
	return s.tx(ctx, "delete API key", func(ctx context.Context, tx bun.Tx) error {
		result, err := tx.ExecContext(ctx, `DELETE FROM api_keys WHERE id = ?::uuid AND owner_kind = ? AND owner_id = ?`, id, ownerKind, ownerID)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return errOr(err, auth.ErrNotFound)
		}
		return s.revoke(ctx, tx, keyRevocation(id, now), now)
	})
}

// DeleteClient removes a client with its secrets, codes, refresh tokens and API
// keys, or returns [auth.ErrNotFound].
func (s *Endings) DeleteClient(ctx context.Context, id string, now time.Time) error {
	if !isText(id) {
		return fmt.Errorf("delete client: %w", auth.ErrNotFound)
	}
	return s.tx(ctx, "delete client", func(ctx context.Context, tx bun.Tx) error {
		if err := s.endFamilies(ctx, tx, "client", now, `client_id = ?`, id); err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, `DELETE FROM clients WHERE id = ?`, id)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return errOr(err, auth.ErrNotFound)
		}
		if err := s.revoke(ctx, tx, auth.Revocation{Kind: auth.RevokedClient, ID: id, Until: now.Add(s.lifetime)}, now); err != nil {
			return err
		}
		var keys []string
		if err := tx.NewRaw(`DELETE FROM api_keys WHERE owner_kind = 'client' AND owner_id = ? RETURNING id`, id).Scan(ctx, &keys); err != nil {
			return err
		}
		for _, key := range keys {
			if err := s.revoke(ctx, tx, keyRevocation(key, now), now); err != nil {
				return err
			}
		}
		return nil
	})
}

// endFamilies ends the refresh tokens that where selects, and the access tokens
// of their grants.
func (s *Endings) endFamilies(ctx context.Context, tx bun.Tx, reason string, now time.Time, where string, arg any) error {
	var grants []string
	if err := tx.NewRaw(`UPDATE refresh_families SET revoked_at = ?, revoked_reason = ? WHERE revoked_at IS NULL AND `+where+` RETURNING id`,
		clock(now), reason, arg).Scan(ctx, &grants); err != nil {
		return err
	}
	for _, id := range grants {
		if err := s.endTokens(ctx, tx, id, now); err != nil {
			return err
		}
	}
	return nil
}

func (s *Endings) endTokens(ctx context.Context, tx bun.Tx, grantID string, now time.Time) error {
	var tokens []struct {
		ID        string    `bun:"id"`
		ExpiresAt time.Time `bun:"expires_at"`
	}
	if err := tx.NewRaw(`DELETE FROM issued_access_tokens WHERE grant_id = ?::uuid RETURNING id, expires_at`, grantID).Scan(ctx, &tokens); err != nil {
		return err
	}
	for _, t := range tokens {
		if err := s.revoke(ctx, tx, auth.Revocation{Kind: auth.RevokedToken, ID: t.ID, Until: t.ExpiresAt}, now); err != nil {
			return err
		}
	}
	return nil
}

func (s *Endings) noticeKeys(ctx context.Context, tx bun.Tx, userID string, now time.Time) error {
	var keys []string
	if err := tx.NewRaw(`SELECT id FROM api_keys WHERE owner_kind = 'user' AND owner_id = ?`, userID).Scan(ctx, &keys); err != nil {
		return err
	}
	for _, id := range keys {
		if err := s.revoke(ctx, tx, auth.Revocation{Kind: auth.RevokedKey, ID: id, Until: now.Add(s.lifetime)}, now); err != nil {
			return err
		}
	}
	return nil
}

// revoke notes the revocation and its notice. What has expired needs neither.
func (s *Endings) revoke(ctx context.Context, tx bun.Tx, r auth.Revocation, now time.Time) error {
	if !now.Before(r.Until) {
		return nil
	}
	r.Until = r.Until.UTC()
	if _, err := tx.ExecContext(ctx, `INSERT INTO revocations (kind, id, expires_at) VALUES (?, ?, ?)
		ON CONFLICT (kind, id) DO UPDATE SET expires_at = GREATEST(revocations.expires_at, excluded.expires_at)`, r.Kind, r.ID, clock(r.Until)); err != nil {
		return err
	}
	e, err := event.New(event.SourceAuth, TypeRevoked, r.ID, r, now)
	if err != nil {
		return err
	}
	return outbox.Append(ctx, tx, e)
}

func (s *Endings) tx(ctx context.Context, what string, fn func(ctx context.Context, tx bun.Tx) error) error {
	if err := s.db.InTx(ctx, fn); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// keyRevocation lasts longer than any gateway remembers a key that it verified.
func keyRevocation(id string, now time.Time) auth.Revocation {
	return auth.Revocation{Kind: auth.RevokedKey, ID: id, Until: now.Add(24 * time.Hour)}
}

func errOr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}
