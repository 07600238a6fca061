package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"gatehouse.example/internal/database"
	"gatehouse.example/services/auth"
)

// APIKeys stores API keys' hashes.
type APIKeys struct{ db *database.DB }

// NewAPIKeys returns the store on db.
func NewAPIKeys(db *database.DB) *APIKeys { return &APIKeys{db} }

const apiKeyColumns = `id, name, owner_kind, owner_id, scopes, hash, created_at, expires_at`

func scanAPIKey(row pgx.Row) (auth.APIKey, error) {
	var k auth.APIKey
	err := row.Scan(&k.ID, &k.Name, &k.OwnerKind, &k.OwnerID, &k.Scopes, &k.Hash, &k.CreatedAt, &k.ExpiresAt)
	return k, err
}

// CreateAPIKey stores a new key.
func (s *APIKeys) CreateAPIKey(ctx context.Context, k auth.APIKey) error {
	_, err := s.db.Pool.Exec(ctx, `INSERT INTO api_keys (`+apiKeyColumns+`) VALUES ($1::uuid, $2, $3, $4, $5, $6, $7, $8)`,
		k.ID, k.Name, k.OwnerKind, k.OwnerID, list(k.Scopes), k.Hash, clock(k.CreatedAt), k.ExpiresAt)
	if err != nil {
		return fmt.Errorf("create API key: %w", err)
	}
	return nil
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
		after = "00000000-0000-0000-0000-000000000000"
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
