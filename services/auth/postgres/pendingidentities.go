package postgres

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"gatehouse.example/services/auth"
)

// PendingIdentity returns the identity that waits for the challenge, or
// [auth.ErrNotFound].
func (s *Identities) PendingIdentity(ctx context.Context, challengeID string) (auth.PendingIdentity, error) {
	if uuid.Validate(challengeID) != nil {
		return auth.PendingIdentity{}, fmt.Errorf("load pending identity: %w", auth.ErrNotFound)
	}
	var p auth.PendingIdentity
	err := s.db.Pool.QueryRow(ctx, `SELECT challenge_id, user_id, provider, issuer, subject, email, created_at, expires_at
		FROM pending_identities WHERE challenge_id = $1::uuid`, challengeID).
		Scan(&p.ChallengeID, &p.UserID, &p.Provider, &p.Issuer, &p.Subject, &p.Email, &p.CreatedAt, &p.ExpiresAt)
	return p, notFound("load pending identity", err)
}
