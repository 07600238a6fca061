package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"gatehouse.example/internal/database"
	"gatehouse.example/services/auth"
)

// Clients stores registered clients.
type Clients struct{ db *database.DB }

// NewClients returns the store on db.
func NewClients(db *database.DB) *Clients { return &Clients{db} }

const clientColumns = `c.id, c.name, c.type, c.redirect_uris, c.post_logout_redirect_uris, c.grant_types, c.scopes, c.resources,
	c.token_endpoint_auth_method, c.first_party, c.admin, c.created_at, c.updated_at`

func scanClient(row pgx.Row, c *auth.Client, more ...any) error {
	var grants []string
	err := row.Scan(append([]any{&c.ID, &c.Name, (*string)(&c.Type), &c.RedirectURIs, &c.PostLogoutRedirectURIs, &grants, &c.Scopes, &c.Resources,
		(*string)(&c.TokenEndpointAuthMethod), &c.FirstParty, &c.Admin, &c.CreatedAt, &c.UpdatedAt}, more...)...)
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
	row := s.db.Pool.QueryRow(ctx, `SELECT `+clientColumns+`,
		ARRAY(SELECT hash FROM client_secrets WHERE client_id = c.id AND (expires_at IS NULL OR expires_at > now()) ORDER BY created_at)
		FROM clients c WHERE c.id = $1`, id)
	if err := scanClient(row, &c, &hashes); err != nil {
		return auth.Client{}, notFound(fmt.Sprintf("load client %q", id), err)
	}
	for _, h := range hashes {
		c.Secrets = append(c.Secrets, auth.ClientSecret{Hash: h})
	}
	return c, nil
}

// CreateClient stores a new client with its secrets.
func (s *Clients) CreateClient(ctx context.Context, c auth.Client) error {
	tx, err := s.db.Pool.Begin(ctx)
	if err != nil {
		return fmt.Errorf("create client %q: %w", c.ID, err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // after Commit it does nothing
	_, err = tx.Exec(ctx, `INSERT INTO clients (id, name, type, redirect_uris, post_logout_redirect_uris, grant_types, scopes, resources,
			token_endpoint_auth_method, first_party, admin, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		c.ID, c.Name, string(c.Type), list(c.RedirectURIs), list(c.PostLogoutRedirectURIs), list(c.GrantTypes), list(c.Scopes), list(c.Resources),
		string(c.TokenEndpointAuthMethod), c.FirstParty, c.Admin, clock(c.CreatedAt), clock(c.UpdatedAt))
	for _, secret := range c.Secrets {
		if err == nil {
			_, err = tx.Exec(ctx, `INSERT INTO client_secrets (id, client_id, hash, created_at, expires_at) VALUES ($1::uuid, $2, $3, $4, $5)`,
				secret.ID, c.ID, secret.Hash, clock(c.CreatedAt), secret.ExpiresAt)
		}
	}
	if err == nil {
		err = tx.Commit(ctx)
	}
	if err != nil {
		return fmt.Errorf("create client %q: %w", c.ID, err)
	}
	return nil
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
