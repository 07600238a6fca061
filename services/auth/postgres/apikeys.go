package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"

	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/database"
	"gatehouse.example/services/auth"
)

// APIKeys stores API keys' hashes.
type APIKeys struct{ db *database.DB }

// NewAPIKeys returns the store on db.
func NewAPIKeys(db *database.DB) *APIKeys { return &APIKeys{db} }

const apiKeyColumns = `id, name, owner_kind, owner_id, scopes, hash, created_at, expires_at, previous_hash, previous_expires_at, last_used_at, version`

func scanAPIKey(row interface{ Scan(dest ...any) error }) (auth.APIKey, error) {
	var k auth.APIKey
	err := row.Scan(&k.ID, &k.Name, &k.OwnerKind, &k.OwnerID, &k.Scopes, &k.Hash, &k.CreatedAt, &k.ExpiresAt, &k.PreviousHash, &k.PreviousExpiresAt, &k.LastUsedAt, &k.Version)
	return k, err
}

// CreateAPIKey stores a new key with the record of it, or returns
// [auth.ErrTooMany] if its owner has [auth.MaxAPIKeys] that are valid. As many
// that have expired are kept to look at, the last ones.
func (s *APIKeys) CreateAPIKey(ctx context.Context, k auth.APIKey, r audit.Record) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := makeRoom(ctx, tx, k); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO api_keys (id, name, owner_kind, owner_id, scopes, hash, created_at, expires_at) VALUES (?::uuid, ?, ?, ?, ?::text[], ?, ?, ?)`,
			k.ID, k.Name, k.OwnerKind, k.OwnerID, array(k.Scopes), k.Hash, clock(k.CreatedAt), clockOf(k.ExpiresAt)); err != nil {
			return err
		}
		return audit.Write(ctx, tx, r)
	})
	if err != nil {
		return fmt.Errorf("create API key: %w", err)
	}
	return nil
}

// makeRoom keeps what is done for all keys of an owner bounded. Of keys that are
// made for one owner at the same time one comes after the other.
func makeRoom(ctx context.Context, tx bun.Tx, k auth.APIKey) error {
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '/api_keys/' || ? || '/' || ?, 0))`, k.OwnerKind, k.OwnerID); err != nil {
		return err
	}
	var valid int
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM api_keys WHERE owner_kind = ? AND owner_id = ? AND (expires_at IS NULL OR expires_at > ?)`,
		k.OwnerKind, k.OwnerID, clock(k.CreatedAt)).Scan(&valid); err != nil {
		return err
	}
	if valid >= auth.MaxAPIKeys {
		return auth.ErrTooMany
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM api_keys WHERE id IN (
		SELECT id FROM api_keys WHERE owner_kind = ? AND owner_id = ? AND expires_at <= ? ORDER BY expires_at DESC, id OFFSET ?)`,
		k.OwnerKind, k.OwnerID, clock(k.CreatedAt), auth.MaxAPIKeys)
	return err
}

// APIKey returns the key, or [auth.ErrNotFound].
func (s *APIKeys) APIKey(ctx context.Context, id string) (auth.APIKey, error) {
	if !isUUID(id) {
		return auth.APIKey{}, fmt.Errorf("load API key: %w", auth.ErrNotFound)
	}
	k, err := scanAPIKey(s.db.Pool.QueryRow(ctx, `SELECT `+apiKeyColumns+` FROM api_keys WHERE id = $1::uuid`, id))
	return k, notFound("load API key", err)
}

// ListAPIKeys returns up to limit keys of the owner with ids after the given one.
func (s *APIKeys) ListAPIKeys(ctx context.Context, ownerKind, ownerID, after string, limit int) ([]auth.APIKey, error) {
	if !isUUID(after) {
		after = noUUID
	}
	rows, err := s.db.Pool.Query(ctx, `SELECT `+apiKeyColumns+` FROM api_keys WHERE owner_kind = $1 AND owner_id = $2 AND id > $3::uuid ORDER BY id LIMIT $4`,
		ownerKind, ownerID, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list API keys: %w", err)
	}
	keys, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (auth.APIKey, error) { return scanAPIKey(row) })
	if err != nil {
		return nil, fmt.Errorf("list API keys: %w", err)
	}
	return keys, nil
}

// RenameAPIKey gives the key of that version another name, with the record of
// it. It returns [auth.ErrConflict] if the key has another version by now, and
// [auth.ErrNotFound] if it is gone.
func (s *APIKeys) RenameAPIKey(ctx context.Context, k auth.APIKey, r audit.Record) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		result, err := tx.ExecContext(ctx, `UPDATE api_keys SET name = ?, version = version + 1 WHERE id = ?::uuid AND version = ?`, k.Name, k.ID, k.Version)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return errOr(err, auth.ErrConflict)
		}
		return audit.Write(ctx, tx, r)
	})
	if err != nil {
		return fmt.Errorf("rename API key: %w", err)
	}
	return nil
}

// UseAPIKey notes that the key was used, unless that was noted within the
// interval before.
func (s *APIKeys) UseAPIKey(ctx context.Context, id string, at time.Time, interval time.Duration) error {
	_, err := s.db.Pool.Exec(ctx, `UPDATE api_keys SET last_used_at = $2 WHERE id = $1::uuid AND (last_used_at IS NULL OR last_used_at <= $3)`,
		id, clock(at), clock(at.Add(-interval)))
	if err != nil {
		return fmt.Errorf("note use of API key: %w", err)
	}
	return nil
}
