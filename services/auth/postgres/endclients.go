package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"gatehouse.example/services/auth"
)

// DeleteClient removes a client with its secrets, codes, refresh tokens and API
// keys, or returns [auth.ErrNotFound].
func (s *Endings) DeleteClient(ctx context.Context, id string, now time.Time) error {
	if !isText(id) {
		return fmt.Errorf("delete client: %w", auth.ErrNotFound)
	}
	return s.tx(ctx, "delete client", func(ctx context.Context, tx bun.Tx) error {
		if err := s.endFamilies(ctx, tx, "client", now, `client_id = ?`, id); err != nil {
			return err
		}
		var name []string
		if err := tx.NewRaw(`DELETE FROM clients WHERE id = ? RETURNING name`, id).Scan(ctx, &name); err != nil {
			return err
		}
		if len(name) == 0 {
			return auth.ErrNotFound
		}
		if _, err := s.revoke(ctx, tx, auth.Revocation{Kind: auth.RevokedClient, ID: id, Until: now.Add(s.lifetime)}, now); err != nil {
			return err
		}
		if err := record(ctx, tx, recorded{action: "client.deleted", subjectKind: "client", subjectID: id, details: []string{"name", name[0]}}, now); err != nil {
			return err
		}
		return s.endKeys(ctx, tx, auth.OwnerClient, id, auth.EndedDeleted, now)
	})
}
