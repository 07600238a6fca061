package postgres

import (
	"context"
	"strconv"
	"time"

	"github.com/uptrace/bun"

	"gatehouse.example/services/auth"
)

// RevokeGrant ends everything that came of one authorization code: its refresh
// tokens and its access tokens. reason is for the administrator.
func (s *Endings) RevokeGrant(ctx context.Context, grantID, reason string, now time.Time) error {
	if !isUUID(grantID) {
		return nil
	}
	return s.tx(ctx, "revoke grant", func(ctx context.Context, tx bun.Tx) error {
		return s.revokeGrant(ctx, tx, grantID, reason, now)
	})
}

func (s *Endings) revokeGrant(ctx context.Context, tx bun.Tx, grantID, reason string, now time.Time) error {
	if err := s.endFamilies(ctx, tx, reason, now, `id = ?::uuid`, grantID); err != nil {
		return err
	}
	// A grant without refresh tokens, or whose refresh tokens ended
	// before the last access token.
	ended, err := s.endTokens(ctx, tx, grantID, now)
	if err != nil || ended == 0 {
		return err
	}
	return record(ctx, tx, recorded{action: "grant.revoked", subjectKind: "grant", subjectID: grantID, reason: reason,
		details: []string{"access_tokens", strconv.Itoa(ended)}}, now)
}

// RevokeAccessToken ends one access token.
func (s *Endings) RevokeAccessToken(ctx context.Context, tokenID string, expires, now time.Time) error {
	return s.tx(ctx, "revoke access token", func(ctx context.Context, tx bun.Tx) error {
		added, err := s.revoke(ctx, tx, auth.Revocation{Kind: auth.RevokedToken, ID: tokenID, Until: expires}, now)
		if err != nil || !added {
			return err
		}
		return record(ctx, tx, recorded{action: "token.revoked", subjectKind: "token", subjectID: tokenID, reason: "revoked_by_client"}, now)
	})
}

// RevokeAccessTokens ends the access tokens that clients hold for the user,
// because its roles changed. Sessions and refresh tokens go on, so that the next
// refresh brings a token that says what the user may do now.
func (s *Endings) RevokeAccessTokens(ctx context.Context, userID string, now time.Time) error {
	if !isUUID(userID) {
		return nil
	}
	return s.tx(ctx, "revoke access tokens of "+userID, func(ctx context.Context, tx bun.Tx) error {
		return s.endUserTokens(ctx, tx, userID, now)
	})
}

func (s *Endings) endUserTokens(ctx context.Context, tx bun.Tx, userID string, now time.Time) error {
	ended, err := s.endTokensWhere(ctx, tx, userID, now, `issued_access_tokens WHERE grant_id IN (
		SELECT id FROM refresh_families WHERE user_id = ?::uuid UNION SELECT grant_id FROM authorization_codes WHERE user_id = ?::uuid)`, userID, userID)
	if err != nil || ended == 0 {
		return err
	}
	return record(ctx, tx, recorded{action: "token.revoked", subjectKind: "user", subjectID: userID, reason: "roles_changed",
		details: []string{"access_tokens", strconv.Itoa(ended)}}, now)
}

// endFamilies ends the refresh tokens that where selects, and the access tokens
// of their grants.
func (s *Endings) endFamilies(ctx context.Context, tx bun.Tx, reason string, now time.Time, where string, args ...any) error {
	var grants []struct {
		ID       string `bun:"id"`
		ClientID string `bun:"client_id"`
		UserID   string `bun:"user_id"`
		Live     bool   `bun:"live"`
	}
	args = append([]any{clock(now), reason}, args...)
	args = append(args, clock(now), clock(now))
	if err := tx.NewRaw(`UPDATE refresh_families f SET revoked_at = ?, revoked_reason = ?
		WHERE revoked_at IS NULL AND `+where+` RETURNING id, client_id, user_id, expires_at > ? AND idle_expires_at > ? AS live`, args...).Scan(ctx, &grants); err != nil {
		return err
	}
	for _, g := range grants {
		ended, err := s.endTokens(ctx, tx, g.ID, now)
		if err != nil {
			return err
		}
		if !g.Live && ended == 0 {
			continue // it was over by itself
		}
		if err := record(ctx, tx, recorded{action: "grant.revoked", subjectKind: "grant", subjectID: g.ID, reason: reason, clientID: g.ClientID, by: actorFor(reason, g.UserID),
			details: []string{"user_id", g.UserID, "access_tokens", strconv.Itoa(ended)}}, now); err != nil {
			return err
		}
	}
	return nil
}

func (s *Endings) endTokens(ctx context.Context, tx bun.Tx, grantID string, now time.Time) (ended int, err error) {
	return s.endTokensWhere(ctx, tx, grantID, now, `issued_access_tokens WHERE grant_id = ?::uuid`, grantID)
}

// endTokensWhere ends the access tokens of an owner that where selects, from a
// table of them, and returns how many were still valid.
func (s *Endings) endTokensWhere(ctx context.Context, tx bun.Tx, owner string, now time.Time, where string, args ...any) (ended int, err error) {
	var tokens []struct {
		ID        string    `bun:"id"`
		ExpiresAt time.Time `bun:"expires_at"`
	}
	if err := tx.NewRaw(`DELETE FROM `+where+` RETURNING id, expires_at`, args...).Scan(ctx, &tokens); err != nil {
		return 0, err
	}
	revoked := make([]auth.Revocation, len(tokens))
	for i, t := range tokens {
		revoked[i] = auth.Revocation{Kind: auth.RevokedToken, ID: t.ID, Until: t.ExpiresAt}
	}
	return s.revokeAll(ctx, tx, owner, revoked, now)
}
