package postgres

import (
	"context"
	"fmt"

	"gatehouse.example/internal/database"
	"gatehouse.example/services/auth"
)

// Credentials stores passwords' hashes.
type Credentials struct{ db *database.DB }

// NewCredentials returns the store on db.
func NewCredentials(db *database.DB) *Credentials { return &Credentials{db} }

// Credential returns the user's credential, or [auth.ErrNotFound].
func (s *Credentials) Credential(ctx context.Context, userID string) (auth.Credential, error) {
	c := auth.Credential{UserID: userID}
	if !isUUID(userID) {
		return c, fmt.Errorf("load credential: %w", auth.ErrNotFound)
	}
	err := s.db.Pool.QueryRow(ctx, `SELECT password_hash, updated_at FROM credentials WHERE user_id = $1::uuid`, userID).Scan(&c.PasswordHash, &c.UpdatedAt)
	return c, notFound("load credential", err)
}

// SetCredential stores the user's credential in place of the one before.
func (s *Credentials) SetCredential(ctx context.Context, c auth.Credential) error {
	_, err := s.db.Pool.Exec(ctx, `INSERT INTO credentials (user_id, password_hash, updated_at) VALUES ($1::uuid, $2, $3)
		ON CONFLICT (user_id) DO UPDATE SET password_hash = excluded.password_hash, updated_at = excluded.updated_at`,
		c.UserID, c.PasswordHash, clock(c.UpdatedAt))
	if err != nil {
		return fmt.Errorf("set credential of %s: %w", c.UserID, err)
	}
	return nil
}
