package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"gatehouse.example/internal/audit"
	"gatehouse.example/services/auth"
)

// RevokeReplayed ends everything that came of the grant because a code or
// refresh token of it came again, and records under the given action that it
// did: somebody else has it. Once everything has ended, a further one is no news.
func (s *Endings) RevokeReplayed(ctx context.Context, action string, g auth.Grant, now time.Time) error {
	if !isUUID(g.ID) {
		return nil
	}
	r, err := audit.New(ctx, "auth", action, "grant", g.ID, now)
	if err != nil {
		return fmt.Errorf("revoke grant: %w", err)
	}
	// Who presented it is not known, only through which client.
	r.Outcome, r.ClientID = audit.Denied, g.ClientID
	r = r.With("user_id", g.UserID)
	if g.SessionID != "" {
		r = r.With("session_id", g.SessionID)
	}
	return s.tx(ctx, "revoke grant", func(ctx context.Context, tx bun.Tx) error {
		var live bool
		if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT FROM refresh_families WHERE id = ?::uuid AND revoked_at IS NULL)
			OR EXISTS (SELECT FROM issued_access_tokens WHERE grant_id = ?::uuid)`, g.ID, g.ID).Scan(&live); err != nil || !live {
			return err
		}
		if err := s.revokeGrant(ctx, tx, g.ID, "replay", now); err != nil {
			return err
		}
		return audit.Write(ctx, tx, r)
	})
}
