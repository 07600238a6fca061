package postgres

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"gatehouse.example/internal/database"
	"gatehouse.example/services/auth"
)

// Refresh stores families of refresh tokens.
type Refresh struct{ db *database.DB }

// NewRefresh returns the store on db.
func NewRefresh(db *database.DB) *Refresh { return &Refresh{db} }

// Family returns the family, ended or not, or [auth.ErrNotFound].
func (s *Refresh) Family(ctx context.Context, id string) (auth.RefreshFamily, error) {
	var f auth.RefreshFamily
	if !isUUID(id) {
		return f, fmt.Errorf("load refresh family: %w", auth.ErrNotFound)
	}
	err := s.db.Pool.QueryRow(ctx, `SELECT f.id, f.client_id, f.user_id, f.session_id, f.scopes, f.audience, f.auth_time, f.current_hash, f.previous_hash,
			f.rotated_at, f.created_at, f.expires_at, f.idle_expires_at, f.revoked_at, s.ended_at IS NOT NULL, s.last_seen_at
		FROM refresh_families f LEFT JOIN sessions s ON s.id = f.session_id WHERE f.id = $1::uuid`, id).Scan(
		&f.ID, &f.ClientID, &f.UserID, &f.SessionID, &f.Scopes, &f.Audience, &f.AuthTime, &f.CurrentHash, &f.PreviousHash,
		&f.RotatedAt, &f.CreatedAt, &f.ExpiresAt, &f.IdleExpiresAt, &f.RevokedAt, &f.SessionEnded, &f.SessionSeenAt)
	if err != nil {
		return auth.RefreshFamily{}, notFound("load refresh family", err)
	}
	return f, nil
}

// Rotate replaces the current token of the family by its successor and notes
// the access token that goes with it, by one statement: of any number of
// attempts with one token at the same time one finds its hash current.
//
// It returns [auth.ErrConsumed] if the token is not the current one any more,
// [auth.ErrRevoked] if the family has ended, and [auth.ErrConflict] if the client
// may do something else by now than r.Client says. The lock on the client makes
// a change at the same time either prevent the token or find it.
func (s *Refresh) Rotate(ctx context.Context, r auth.Rotation) error {
	tag, err := s.db.Pool.Exec(ctx, `WITH client AS (`+sameClient(9)+`), rotated AS (
			UPDATE refresh_families SET previous_hash = current_hash, current_hash = $4, rotated_at = $5, idle_expires_at = LEAST($6, expires_at)
			WHERE id = $1::uuid AND client_id = $2 AND current_hash = $3 AND revoked_at IS NULL AND expires_at > $5 AND idle_expires_at > $5
			  AND client_id IN (SELECT id FROM client)
			RETURNING id
		)
		INSERT INTO issued_access_tokens (id, grant_id, expires_at) SELECT $7::uuid, id, $8 FROM rotated`,
		append([]any{r.FamilyID, r.ClientID, r.PresentedHash, r.SuccessorHash, clock(r.Now), clock(r.IdleExpiresAt), r.Issued.ID, clock(r.Issued.ExpiresAt)},
			sameClientArguments(r.Client)...)...)
	if err != nil {
		return fmt.Errorf("rotate refresh token: %w", err)
	}
	if tag.RowsAffected() == 1 {
		return nil
	}
	return s.whyNot(ctx, r, func(f auth.RefreshFamily) bool { return bytes.Equal(f.CurrentHash, r.PresentedHash) })
}

// Repeat notes another access token for a client that presents the token before
// the current one again, if the rotation was after since and the successor has
// not been used: then the token is the family's previous one.
//
// The errors are those of Rotate.
func (s *Refresh) Repeat(ctx context.Context, r auth.Rotation, since time.Time) error {
	tag, err := s.db.Pool.Exec(ctx, `WITH client AS (`+sameClient(9)+`), found AS (
			SELECT id FROM refresh_families
			WHERE id = $1::uuid AND client_id = $2 AND previous_hash = $3 AND current_hash = $4 AND rotated_at >= $5
			  AND revoked_at IS NULL AND expires_at > $6 AND idle_expires_at > $6
			  AND client_id IN (SELECT id FROM client)
			FOR SHARE
		)
		INSERT INTO issued_access_tokens (id, grant_id, expires_at) SELECT $7::uuid, id, $8 FROM found`,
		append([]any{r.FamilyID, r.ClientID, r.PresentedHash, r.SuccessorHash, clock(since), clock(r.Now), r.Issued.ID, clock(r.Issued.ExpiresAt)},
			sameClientArguments(r.Client)...)...)
	if err != nil {
		return fmt.Errorf("repeat refresh token: %w", err)
	}
	if tag.RowsAffected() == 1 {
		return nil
	}
	return s.whyNot(ctx, r, func(f auth.RefreshFamily) bool {
		return bytes.Equal(f.PreviousHash, r.PresentedHash) && bytes.Equal(f.CurrentHash, r.SuccessorHash) && !f.RotatedAt.Before(clock(since))
	})
}

// whyNot returns why a token did not do. good says whether it would have: then
// it is the client that is another by now.
func (s *Refresh) whyNot(ctx context.Context, r auth.Rotation, good func(auth.RefreshFamily) bool) error {
	f, err := s.Family(ctx, r.FamilyID)
	if err != nil {
		return err
	}
	if f.ClientID != r.ClientID {
		return fmt.Errorf("rotate refresh token: %w", auth.ErrMismatch)
	}
	if err := f.Usable(r.Now); err != nil {
		return fmt.Errorf("rotate refresh token: %w", err)
	}
	if good(f) {
		return fmt.Errorf("rotate refresh token: %w", auth.ErrConflict)
	}
	return fmt.Errorf("rotate refresh token: %w", auth.ErrConsumed)
}
