package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"

	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/database"
	"gatehouse.example/services/auth"
)

// Clients stores registered clients.
type Clients struct{ db *database.DB }

// NewClients returns the store on db.
func NewClients(db *database.DB) *Clients { return &Clients{db} }

const clientColumns = `c.id, c.name, c.type, c.redirect_uris, c.post_logout_redirect_uris, c.grant_types, c.scopes, c.resources,
	c.token_endpoint_auth_method, c.first_party, c.admin, c.created_at, c.updated_at, c.version`

func scanClient(row pgx.Row, c *auth.Client, more ...any) error {
	var grants []string
	err := row.Scan(append([]any{&c.ID, &c.Name, (*string)(&c.Type), &c.RedirectURIs, &c.PostLogoutRedirectURIs, &grants, &c.Scopes, &c.Resources,
		(*string)(&c.TokenEndpointAuthMethod), &c.FirstParty, &c.Admin, &c.CreatedAt, &c.UpdatedAt, &c.Version}, more...)...)
	for _, g := range grants {
		c.GrantTypes = append(c.GrantTypes, auth.GrantType(g))
	}
	return err
}

// Client returns the client with its secrets, or [auth.ErrNotFound].
func (s *Clients) Client(ctx context.Context, id string) (auth.Client, error) {
	if !isText(id) {
		return auth.Client{}, fmt.Errorf("load client %q: %w", id, auth.ErrNotFound)
	}
	var c auth.Client
	var hashes [][]byte
	var ends []*time.Time
	row := s.db.Pool.QueryRow(ctx, `SELECT `+clientColumns+`,
		ARRAY(SELECT hash FROM client_secrets WHERE client_id = c.id ORDER BY created_at, id),
		ARRAY(SELECT expires_at FROM client_secrets WHERE client_id = c.id ORDER BY created_at, id)
		FROM clients c WHERE c.id = $1`, id)
	if err := scanClient(row, &c, &hashes, &ends); err != nil {
		return auth.Client{}, notFound(fmt.Sprintf("load client %q", id), err)
	}
	for i, h := range hashes {
		c.Secrets = append(c.Secrets, auth.ClientSecret{Hash: h, ExpiresAt: ends[i]})
	}
	return c, nil
}

// CreateClient stores a new client with its secrets and the record of it.
func (s *Clients) CreateClient(ctx context.Context, c auth.Client, r audit.Record) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO clients (id, name, type, redirect_uris, post_logout_redirect_uris, grant_types, scopes, resources,
				token_endpoint_auth_method, first_party, admin, created_at, updated_at)
			VALUES (?, ?, ?, ?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?, ?, ?, ?, ?)`,
			c.ID, c.Name, string(c.Type), array(c.RedirectURIs), array(c.PostLogoutRedirectURIs), array(c.GrantTypes), array(c.Scopes), array(c.Resources),
			string(c.TokenEndpointAuthMethod), c.FirstParty, c.Admin, clock(c.CreatedAt), clock(c.UpdatedAt)); err != nil {
			return err
		}
		for _, secret := range c.Secrets {
			if err := addSecret(ctx, tx, c.ID, secret, c.CreatedAt); err != nil {
				return err
			}
		}
		return audit.Write(ctx, tx, r)
	})
	if err != nil {
		return fmt.Errorf("create client %q: %w", c.ID, err)
	}
	return nil
}

func addSecret(ctx context.Context, tx bun.Tx, clientID string, secret auth.ClientSecret, now time.Time) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO client_secrets (id, client_id, hash, created_at, expires_at) VALUES (?::uuid, ?, ?, ?, ?)`,
		secret.ID, clientID, secret.Hash, clock(now), clockOf(secret.ExpiresAt))
	return err
}

// UpdateClient changes the client of that version, with the record of it. It
// returns [auth.ErrConflict] if it has another version by now or is gone. What
// takes something from the client is [Endings.NarrowClient].
func (s *Clients) UpdateClient(ctx context.Context, c auth.Client, r audit.Record) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := updateClient(ctx, tx, c); err != nil {
			return err
		}
		return audit.Write(ctx, tx, r)
	})
	if err != nil {
		return fmt.Errorf("update client %q: %w", c.ID, err)
	}
	return nil
}

func updateClient(ctx context.Context, tx bun.Tx, c auth.Client) error {
	result, err := tx.ExecContext(ctx, `UPDATE clients SET name = ?, redirect_uris = ?::text[], post_logout_redirect_uris = ?::text[], grant_types = ?::text[],
			scopes = ?::text[], resources = ?::text[], token_endpoint_auth_method = ?, first_party = ?, admin = ?, updated_at = ?, version = version + 1
		WHERE id = ? AND version = ?`,
		c.Name, array(c.RedirectURIs), array(c.PostLogoutRedirectURIs), array(c.GrantTypes), array(c.Scopes), array(c.Resources),
		string(c.TokenEndpointAuthMethod), c.FirstParty, c.Admin, clock(c.UpdatedAt), c.ID, c.Version)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return errOr(err, auth.ErrConflict)
	}
	return nil
}

// sameClient selects and locks the client whose rights are those of the five
// arguments from the nth on, see [sameClientArguments].
func sameClient(n int) string {
	return fmt.Sprintf("SELECT id FROM clients WHERE id = $%d AND scopes = $%d AND resources = $%d AND grant_types = $%d AND admin = $%d FOR SHARE", n, n+1, n+2, n+3, n+4)
}

func sameClientArguments(c auth.Client) []any {
	return []any{c.ID, list(c.Scopes), list(c.Resources), list(c.GrantTypes), c.Admin}
}

// NoteClientToken notes an access token of the client's own, so that it ends
// when the client may do less. It returns [auth.ErrConflict] if the client may
// not do by now what c may. The lock makes a change at the same time either
// prevent the token or find it.
func (s *Clients) NoteClientToken(ctx context.Context, c auth.Client, t auth.AccessTokenRecord) error {
	tag, err := s.db.Pool.Exec(ctx, `WITH client AS (`+sameClient(3)+`)
		INSERT INTO client_access_tokens (id, client_id, expires_at) SELECT $1::uuid, id, $2 FROM client`,
		append([]any{t.ID, clock(t.ExpiresAt)}, sameClientArguments(c)...)...)
	if err == nil && tag.RowsAffected() == 0 {
		err = auth.ErrConflict
	}
	if err != nil {
		return fmt.Errorf("note access token of client %q: %w", c.ID, err)
	}
	return nil
}

// RotateClientSecret gives the client another secret, with the record of it. The
// newest one before counts until the end of the overlap, all others end at once.
// It returns the client's new version, [auth.ErrNotFound] for a client that is
// gone, and [auth.ErrConflict] for one that has not the version asked for.
func (s *Clients) RotateClientSecret(ctx context.Context, n auth.SecretRotation, r audit.Record) (version int64, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		// The row is locked until the end: one rotation comes after the other.
		err := tx.QueryRowContext(ctx, `UPDATE clients SET version = version + 1, updated_at = ? WHERE id = ? RETURNING version`, clock(n.Now), n.ClientID).Scan(&version)
		if errors.Is(err, sql.ErrNoRows) {
			return auth.ErrNotFound
		}
		if err != nil {
			return err
		}
		if n.Version != 0 && version != n.Version+1 {
			return auth.ErrConflict
		}
		if err := endSecrets(ctx, tx, n); err != nil {
			return err
		}
		if err := addSecret(ctx, tx, n.ClientID, n.Secret, n.Now); err != nil {
			return err
		}
		return audit.Write(ctx, tx, r)
	})
	if err != nil {
		return 0, fmt.Errorf("rotate secret of client %q: %w", n.ClientID, err)
	}
	return version, nil
}

func endSecrets(ctx context.Context, tx bun.Tx, n auth.SecretRotation) error {
	if n.Overlap <= 0 {
		_, err := tx.ExecContext(ctx, `DELETE FROM client_secrets WHERE client_id = ?`, n.ClientID)
		return err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM client_secrets WHERE client_id = ?
		AND id <> (SELECT id FROM client_secrets WHERE client_id = ? ORDER BY created_at DESC, id DESC LIMIT 1)`, n.ClientID, n.ClientID); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `UPDATE client_secrets SET expires_at = LEAST(expires_at, ?) WHERE client_id = ?`, clock(n.Now.Add(n.Overlap)), n.ClientID)
	return err
}

// ListClients returns up to limit clients with ids after the given one, without
// their secrets.
func (s *Clients) ListClients(ctx context.Context, after string, limit int) ([]auth.Client, error) {
	rows, err := s.db.Pool.Query(ctx, `SELECT `+clientColumns+` FROM clients c WHERE c.id > $1 ORDER BY c.id LIMIT $2`, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list clients: %w", err)
	}
	clients, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (auth.Client, error) {
		var c auth.Client
		err := scanClient(row, &c)
		return c, err
	})
	if err != nil {
		return nil, fmt.Errorf("list clients: %w", err)
	}
	return clients, nil
}
