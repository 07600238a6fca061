package postgres

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/uptrace/bun"

	"gatehouse.example/internal/audit"
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

// NarrowClient changes a client as [Clients.UpdateClient] does, and ends the
// access tokens that it holds, for people and for itself: they may allow what
// the client has lost. Refresh tokens live on; what they give is bounded by what
// the client may do then.
func (s *Endings) NarrowClient(ctx context.Context, c auth.Client, r audit.Record) error {
	return s.tx(ctx, fmt.Sprintf("update client %q", c.ID), func(ctx context.Context, tx bun.Tx) error {
		now := c.UpdatedAt
		if err := updateClient(ctx, tx, c); err != nil {
			return err
		}
		forPeople, err := s.endTokensWhere(ctx, tx, c.ID, now, `issued_access_tokens WHERE grant_id IN (
			SELECT id FROM refresh_families WHERE client_id = ? UNION SELECT grant_id FROM authorization_codes WHERE client_id = ?)`, c.ID, c.ID)
		if err != nil {
			return err
		}
		own, err := s.endTokensWhere(ctx, tx, c.ID, now, `client_access_tokens WHERE client_id = ?`, c.ID)
		if err != nil {
			return err
		}
		if ended := forPeople + own; ended > 0 {
			if err := record(ctx, tx, recorded{action: "token.revoked", subjectKind: "client", subjectID: c.ID, reason: "client_changed",
				details: []string{"access_tokens", strconv.Itoa(ended)}}, now); err != nil {
				return err
			}
		}
		return audit.Write(ctx, tx, r)
	})
}
