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

// RenewHash replaces the hash old of the same password by that of c. It returns
// [auth.ErrConsumed] if old is not the current one any more: an old password
// must not come back.
func (s *Credentials) RenewHash(ctx context.Context, c auth.Credential, old string) error {
	tag, err := s.db.Pool.Exec(ctx, `UPDATE credentials SET password_hash = $2, updated_at = $3 WHERE user_id = $1::uuid AND password_hash = $4`,
		c.UserID, c.PasswordHash, clock(c.UpdatedAt), old)
	if err == nil && tag.RowsAffected() == 0 {
		err = auth.ErrConsumed
	}
	if err != nil {
		return fmt.Errorf("renew password hash of %s: %w", c.UserID, err)
	}
	return nil
}
