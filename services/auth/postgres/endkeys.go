package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/event"
	"gatehouse.example/internal/outbox"
	"gatehouse.example/services/auth"
)

// rememberedKey is longer than any gateway remembers a key that it verified.
const rememberedKey = 24 * time.Hour

// DeleteAPIKey revokes a key, or returns [auth.ErrNotFound].
func (s *Endings) DeleteAPIKey(ctx context.Context, id string, now time.Time) error {
	if !isUUID(id) {
		return fmt.Errorf("delete API key: %w", auth.ErrNotFound)
	}
	return s.tx(ctx, "delete API key", func(ctx context.Context, tx bun.Tx) error {
		k, err := lockAPIKey(ctx, tx, id)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM api_keys WHERE id = ?::uuid`, id); err != nil {
			return err
		}
		return s.keysEnded(ctx, tx, k.OwnerKind, k.OwnerID, []string{id}, auth.KeyEndedRevoked, auth.KeyEndedRevoked, now)
	})
}

// RotateAPIKey gives the key another secret. The one before counts until the
// end of the overlap, or ends at once without overlap; the one before that ends
// at once: a key never has more than two. Of rotations at the same time one
// comes after the other.
//
// It returns [auth.ErrNotFound] for a key that is gone, [auth.ErrExpired] for
// one whose time is over, and [auth.ErrConflict] for one that has not the
// version asked for.
func (s *Endings) RotateAPIKey(ctx context.Context, r auth.KeyRotation) (auth.APIKey, error) {
	if !isUUID(r.ID) {
		return auth.APIKey{}, fmt.Errorf("rotate API key: %w", auth.ErrNotFound)
	}
	var rotated auth.APIKey
	err := s.tx(ctx, "rotate API key", func(ctx context.Context, tx bun.Tx) error {
		k, err := lockAPIKey(ctx, tx, r.ID)
		switch {
		case err != nil:
			return err
		case r.Version != 0 && r.Version != k.Version:
			return auth.ErrConflict
		case k.ExpiresAt != nil && !r.Now.Before(*k.ExpiresAt):
			return auth.ErrExpired
		}
		rotated, err = s.rotateAPIKey(ctx, tx, k, r)
		return err
	})
	return rotated, err
}

func (s *Endings) rotateAPIKey(ctx context.Context, tx bun.Tx, k auth.APIKey, r auth.KeyRotation) (auth.APIKey, error) {
	ended := [][]byte{k.PreviousHash}
	k.PreviousHash, k.PreviousExpiresAt = k.Hash, nil
	if r.Overlap > 0 {
		// A key ends at a whole second: not before the overlap does.
		until := clock(r.Now.Add(r.Overlap + time.Second - 1)).Truncate(time.Second)
		k.PreviousExpiresAt = &until
	} else {
		ended, k.PreviousHash = append(ended, k.Hash), nil
	}
	k.Hash, k.Version = r.Hash, k.Version+1
	if _, err := tx.ExecContext(ctx, `UPDATE api_keys SET hash = ?, previous_hash = ?, previous_expires_at = ?, version = ? WHERE id = ?::uuid`,
		k.Hash, k.PreviousHash, k.PreviousExpiresAt, k.Version, k.ID); err != nil {
		return auth.APIKey{}, err
	}
	for _, hash := range ended {
		if len(hash) == 0 {
			continue
		}
		secret := auth.Revocation{Kind: auth.RevokedKey, ID: auth.APIKeySecretID(k.ID, hash), Until: r.Now.Add(rememberedKey)}
		if _, err := s.revoke(ctx, tx, secret, r.Now); err != nil {
			return auth.APIKey{}, err
		}
	}
	if err := record(ctx, tx, recorded{action: "key.rotated", subjectKind: "key", subjectID: k.ID,
		details: []string{"owner_kind", k.OwnerKind, "owner_id", k.OwnerID, "overlap", r.Overlap.String()}}, r.Now); err != nil {
		return auth.APIKey{}, err
	}
	return k, appendEvent(ctx, tx, event.TypeKeyRevoked, k.OwnerID,
		event.KeyRevoked{KeyID: k.ID, OwnerKind: k.OwnerKind, OwnerID: k.OwnerID, Reason: auth.KeyEndedRotated}, r.Now)
}

// lockAPIKey returns the key and keeps others from changing it.
func lockAPIKey(ctx context.Context, tx bun.Tx, id string) (auth.APIKey, error) {
	var row struct {
		ID, Name, OwnerKind, OwnerID string
		Scopes                       []string `bun:",array"`
		Hash, PreviousHash           []byte
		CreatedAt                    time.Time
		ExpiresAt, PreviousExpiresAt *time.Time
		LastUsedAt                   *time.Time
		Version                      int64
	}
	err := tx.NewRaw(`SELECT `+apiKeyColumns+` FROM api_keys WHERE id = ?::uuid FOR UPDATE`, id).Scan(ctx, &row)
	if errors.Is(err, sql.ErrNoRows) {
		err = auth.ErrNotFound
	}
	return auth.APIKey{
		ID: row.ID, Name: row.Name, OwnerKind: row.OwnerKind, OwnerID: row.OwnerID, Scopes: row.Scopes, Hash: row.Hash, CreatedAt: row.CreatedAt,
		ExpiresAt: row.ExpiresAt, PreviousHash: row.PreviousHash, PreviousExpiresAt: row.PreviousExpiresAt, LastUsedAt: row.LastUsedAt, Version: row.Version,
	}, err
}

// endKeys removes the keys of an owner, by a number of statements that does not
// grow with them. why says what became of it.
func (s *Endings) endKeys(ctx context.Context, tx bun.Tx, ownerKind, ownerID, why string, now time.Time) error {
	var keys []string
	if err := tx.NewRaw(`DELETE FROM api_keys WHERE owner_kind = ? AND owner_id = ? RETURNING id`, ownerKind, ownerID).Scan(ctx, &keys); err != nil {
		return err
	}
	return s.keysEnded(ctx, tx, ownerKind, ownerID, keys, auth.KeyEndedOwner, why, now)
}

// keysEnded tells that keys of an owner are gone.
func (s *Endings) keysEnded(ctx context.Context, tx bun.Tx, ownerKind, ownerID string, ids []string, reason, why string, now time.Time) error {
	by := ""
	if ownerKind == auth.OwnerUser {
		by = actorFor(why, ownerID)
	}
	slices.Sort(ids)
	records := make([]audit.Record, len(ids))
	for i, id := range ids {
		var err error
		records[i], err = recorded{action: "key.revoked", subjectKind: "key", subjectID: id, reason: why, by: by,
			details: []string{"owner_kind", ownerKind, "owner_id", ownerID}}.record(ctx, now)
		if err != nil {
			return err
		}
	}
	if err := audit.WriteAll(ctx, tx, records); err != nil {
		return err
	}
	return s.refuseKeys(ctx, tx, ownerKind, ownerID, ids, reason, now.Add(rememberedKey), now)
}

// pauseKeys has gateways forget the keys of a suspended person. The keys stay:
// the suspension is what the audit log tells.
func (s *Endings) pauseKeys(ctx context.Context, tx bun.Tx, userID string, now time.Time) error {
	var keys []string
	if err := tx.NewRaw(`SELECT id FROM api_keys WHERE owner_kind = 'user' AND owner_id = ? ORDER BY id`, userID).Scan(ctx, &keys); err != nil {
		return err
	}
	return s.refuseKeys(ctx, tx, auth.OwnerUser, userID, keys, auth.KeyEndedOwner, now.Add(s.lifetime), now)
}

// refuseKeys tells gateways, and whoever follows the events, that keys of an
// owner do not count.
func (s *Endings) refuseKeys(ctx context.Context, tx bun.Tx, ownerKind, ownerID string, ids []string, reason string, until, now time.Time) error {
	revoked := make([]auth.Revocation, len(ids))
	told := make([]event.Event, len(ids))
	for i, id := range ids {
		revoked[i] = auth.Revocation{Kind: auth.RevokedKey, ID: id, Until: until}
		var err error
		told[i], err = event.New(event.SourceAuth, event.TypeKeyRevoked, ownerID, event.KeyRevoked{KeyID: id, OwnerKind: ownerKind, OwnerID: ownerID, Reason: reason}, now)
		if err != nil {
			return err
		}
	}
	if _, err := s.revokeAll(ctx, tx, ownerID, revoked, now); err != nil {
		return err
	}
	return outbox.AppendAll(ctx, tx, told)
}

func errOr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}
