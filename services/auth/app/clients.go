package app

import (
	"context"
	"time"

	"gatehouse.example/internal/database"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/rbac"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/clients"
	"gatehouse.example/services/auth/opaque"
	"gatehouse.example/services/auth/postgres"
	"gatehouse.example/services/auth/setup"
)

// BootstrapClient is a confidential client with the scope "admin" that lives in
// one process and is stored nowhere. It authenticates by client_secret_basic
// and may use client_credentials.
type BootstrapClient struct {
	ClientID, ClientSecret string
}

// clientSource finds stored clients and the bootstrap client.
type clientSource struct {
	store     *postgres.Clients
	bootstrap *auth.Client
}

func newClientSource(store *postgres.Clients, b *BootstrapClient) *clientSource {
	s := &clientSource{store: store}
	if b != nil && b.ClientID != "" && b.ClientSecret != "" {
		s.bootstrap = &auth.Client{
			ID: b.ClientID, Name: "bootstrap", Type: auth.ClientConfidential, TokenEndpointAuthMethod: auth.AuthBasic,
			GrantTypes: []auth.GrantType{auth.GrantClientCredentials}, Scopes: rbac.All(), FirstParty: true, Admin: true,
			Secrets: []auth.ClientSecret{{Hash: opaque.Hash(b.ClientSecret)}},
		}
	}
	return s
}

// Client returns the client, or [auth.ErrNotFound].
func (s *clientSource) Client(ctx context.Context, id string) (auth.Client, error) {
	if s.bootstrap != nil && id == s.bootstrap.ID {
		return *s.bootstrap, nil
	}
	return s.store.Client(ctx, id)
}

// NoteClientToken notes a token of a stored client. The bootstrap client changes
// only with its process.
func (s *clientSource) NoteClientToken(ctx context.Context, c auth.Client, t auth.AccessTokenRecord) error {
	if s.bootstrap != nil && c.ID == s.bootstrap.ID {
		return nil
	}
	return s.store.NoteClientToken(ctx, c, t)
}

// RegisterClient stores a client by the rights of who can reach the database:
// it is for the command line on the machine that runs the service. The view
// holds the secret, which is shown to nobody again.
func RegisterClient(ctx context.Context, db *database.DB, r clients.Registration) (clients.View, error) {
	operator := identity.Principal{Kind: identity.KindClient, Subject: "operator", Scopes: []string{identity.ScopeAdmin}}
	return clients.Register(ctx, postgres.NewClients(db), operator, r, time.Now())
}

// NewSetupLink is [App.SetupLink] for a command that runs beside the service.
func NewSetupLink(ctx context.Context, db *database.DB, issuer string) (string, error) {
	return setup.NewLink(ctx, postgres.NewSetupLinks(db), issuer, SetupLinkLifetime, time.Now())
}
