package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"gatehouse.example/internal/event"
	"gatehouse.example/services/auth"
)

// rememberedKey is longer than any gateway remembers a key that it verified.
const rememberedKey = 24 * time.Hour

// DeleteAPIKey revokes a key of the owner, or returns [auth.ErrNotFound].
func (s *Endings) DeleteAPIKey(ctx context.Context, ownerKind, ownerID, id string, now time.Time) error {
	if !isUUID(id) {
		return fmt.Errorf("delete API key: %w", auth.ErrNotFound)
	}
	return s.tx(ctx, "delete API key", func(ctx context.Context, tx bun.Tx) error {
		result, err := tx.ExecContext(ctx, `DELETE FROM api_keys WHERE id = ?::uuid AND owner_kind = ? AND owner_id = ?`, id, ownerKind, ownerID)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return errOr(err, auth.ErrNotFound)
		}
		return s.keyEnded(ctx, tx, ownerKind, ownerID, id, auth.KeyEndedRevoked, auth.KeyEndedRevoked, now)
	})
}

// endKeys removes the keys of an owner. why says what became of it.
func (s *Endings) endKeys(ctx context.Context, tx bun.Tx, ownerKind, ownerID, why string, now time.Time) error {
	var keys []string
	if err := tx.NewRaw(`DELETE FROM api_keys WHERE owner_kind = ? AND owner_id = ? RETURNING id`, ownerKind, ownerID).Scan(ctx, &keys); err != nil {
		return err
	}
	for _, id := range keys {
		if err := s.keyEnded(ctx, tx, ownerKind, ownerID, id, auth.KeyEndedOwner, why, now); err != nil {
			return err
		}
	}
	return nil
}

// keyEnded tells that a key is gone.
func (s *Endings) keyEnded(ctx context.Context, tx bun.Tx, ownerKind, ownerID, id, reason, why string, now time.Time) error {
	if _, err := s.revoke(ctx, tx, auth.Revocation{Kind: auth.RevokedKey, ID: id, Until: now.Add(rememberedKey)}, now); err != nil {
		return err
	}
	if err := record(ctx, tx, recorded{action: "key.revoked", subjectKind: "key", subjectID: id, reason: why,
		details: []string{"owner_kind", ownerKind, "owner_id", ownerID}}, now); err != nil {
		return err
	}
	return appendEvent(ctx, tx, event.TypeKeyRevoked, ownerID, event.KeyRevoked{KeyID: id, OwnerKind: ownerKind, OwnerID: ownerID, Reason: reason}, now)
}

// pauseKeys has gateways forget the keys of a suspended person. The keys stay:
// the suspension is what the audit log tells.
func (s *Endings) pauseKeys(ctx context.Context, tx bun.Tx, userID string, now time.Time) error {
	var keys []string
	if err := tx.NewRaw(`SELECT id FROM api_keys WHERE owner_kind = 'user' AND owner_id = ?`, userID).Scan(ctx, &keys); err != nil {
		return err
	}
	for _, id := range keys {
		if _, err := s.revoke(ctx, tx, auth.Revocation{Kind: auth.RevokedKey, ID: id, Until: now.Add(s.lifetime)}, now); err != nil {
			return err
		}
		if err := appendEvent(ctx, tx, event.TypeKeyRevoked, userID, event.KeyRevoked{KeyID: id, OwnerKind: auth.OwnerUser, OwnerID: userID, Reason: auth.KeyEndedOwner}, now); err != nil {
			return err
		}
	}
	return nil
}

func errOr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}
