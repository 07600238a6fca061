package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"gatehouse.example/internal/database"
	"gatehouse.example/services/auth"
)

// SetupLinks stores the links to the first administrator's account.
type SetupLinks struct{ db *database.DB }

// NewSetupLinks returns the store on db.
func NewSetupLinks(db *database.DB) *SetupLinks { return &SetupLinks{db} }

// AddSetupLink stores the link and removes the unused ones before it, unless a
// link made an administrator already; added tells which.
func (s *SetupLinks) AddSetupLink(ctx context.Context, l auth.SetupLink) (added bool, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		added = false
		// Waits for a link that is just being used.
		if _, err := tx.ExecContext(ctx, `DELETE FROM setup_links WHERE consumed_at IS NULL`); err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, `INSERT INTO setup_links (id, user_id, token_hash, created_at, expires_at)
			SELECT ?::uuid, ?::uuid, ?::bytea, ?::timestamptz, ?::timestamptz WHERE NOT EXISTS (SELECT FROM setup_links WHERE consumed_at IS NOT NULL)`,
			l.ID, l.UserID, l.TokenHash, clock(l.CreatedAt), clock(l.ExpiresAt))
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		added = n == 1
		return err
	})
	if err != nil {
		return false, fmt.Errorf("add set-up link: %w", err)
	}
	return added, nil
}

// SetupLinkPending returns nil, or [auth.ErrNotFound] for a link that does not
// exist, was used, or has expired.
func (s *SetupLinks) SetupLinkPending(ctx context.Context, tokenHash []byte, now time.Time) error {
	var id string
	err := s.db.Pool.QueryRow(ctx, `SELECT id FROM setup_links WHERE token_hash = $1 AND consumed_at IS NULL AND expires_at > $2`, tokenHash, clock(now)).Scan(&id)
	return notFound("load set-up link", err)
}

// UseSetupLink consumes the link by one statement, calls create with the id of
// the account before that is durable, and stores the credential. An error of
// create leaves the link unused. It returns [auth.ErrNotFound] for a link that
// does not exist, was used, or has expired.
func (s *SetupLinks) UseSetupLink(ctx context.Context, tokenHash []byte, passwordHash string, now time.Time, create func(ctx context.Context, userID string) error) (userID string, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := tx.QueryRowContext(ctx, `UPDATE setup_links SET consumed_at = ?
			WHERE token_hash = ? AND consumed_at IS NULL AND expires_at > ? RETURNING user_id`, clock(now), tokenHash, clock(now)).Scan(&userID); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, upsertCredential, userID, passwordHash, clock(now)); err != nil {
			return err
		}
		if err := create(ctx, userID); err != nil {
			return err
		}
		return record(ctx, tx, recorded{action: "administrator.created", subjectKind: "user", subjectID: userID, by: userID, details: []string{"method", "setup_link"}}, now)
	})
	if errors.Is(err, sql.ErrNoRows) {
		err = auth.ErrNotFound
	}
	if err != nil {
		return "", fmt.Errorf("use set-up link: %w", err)
	}
	return userID, nil
}
