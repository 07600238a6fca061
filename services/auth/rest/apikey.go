package rest

import (
	"context"
	"errors"

	"gatehouse.example/internal/identity"
	"gatehouse.example/services/auth"
)

// KeyFinder finds API keys, or returns [auth.ErrNotFound].
type KeyFinder interface {
	APIKey(ctx context.Context, id string) (auth.APIKey, error)
}

// ByAPIKey reports whether the caller presented an API key, not an access token.
// Whoever finds a key must not get anything by it that outlives the key.
func ByAPIKey(ctx context.Context, keys KeyFinder, caller identity.Principal) (bool, error) {
	if caller.RevocationID != "" {
		return true, nil // only the secret of a key has one
	}
	if caller.TokenID == "" {
		return false, nil
	}
	_, err := keys.APIKey(ctx, caller.TokenID)
	if errors.Is(err, auth.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
