package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"gatehouse.example/internal/database"
	"gatehouse.example/services/auth/keyring"
)

// SigningKeys stores sealed signing keys.
type SigningKeys struct{ db *database.DB }

// NewSigningKeys returns the store on db.
func NewSigningKeys(db *database.DB) *SigningKeys { return &SigningKeys{db} }

var _ keyring.Store = (*SigningKeys)(nil)

// SigningKeys returns all keys that are not retired, the oldest first.
func (s *SigningKeys) SigningKeys(ctx context.Context) ([]keyring.StoredKey, error) {
	rows, err := s.db.Pool.Query(ctx, `SELECT kid, algorithm, state, private_key, created_at FROM signing_keys WHERE state <> 'retired' ORDER BY created_at, kid`)
	if err != nil {
		return nil, fmt.Errorf("load signing keys: %w", err)
	}
	keys, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (keyring.StoredKey, error) {
		var k keyring.StoredKey
		err := row.Scan(&k.KID, &k.Algorithm, (*string)(&k.State), &k.Sealed, &k.CreatedAt)
		return k, err
	})
	if err != nil {
		return nil, fmt.Errorf("load signing keys: %w", err)
	}
	return keys, nil
}

// AddActiveKey stores the key unless its algorithm has an active one: of
// several processes that start at once one wins.
func (s *SigningKeys) AddActiveKey(ctx context.Context, k keyring.StoredKey) error {
	_, err := s.db.Pool.Exec(ctx, `INSERT INTO signing_keys (kid, algorithm, state, private_key, created_at) VALUES ($1, $2, 'active', $3, $4)
		ON CONFLICT DO NOTHING`, k.KID, k.Algorithm, k.Sealed, clock(k.CreatedAt))
	if err != nil {
		return fmt.Errorf("add signing key %s: %w", k.KID, err)
	}
	return nil
}
