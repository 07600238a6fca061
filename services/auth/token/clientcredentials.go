package token

import (
	"context"
	"time"

	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/mint"
	"gatehouse.example/services/auth/oauth"
)

// ClientCredentials is the client credentials grant (RFC 6749 §4.4). It writes
// nothing to the database.
type ClientCredentials struct {
	minter Minter
	now    func() time.Time
}

var _ Grant = (*ClientCredentials)(nil)

// NewClientCredentials returns the grant. now nil: time.Now.
func NewClientCredentials(m Minter, now func() time.Time) *ClientCredentials {
	if now == nil {
		now = time.Now
	}
	return &ClientCredentials{m, now}
}

// Type implements [Grant].
func (g *ClientCredentials) Type() auth.GrantType { return auth.GrantClientCredentials }

// Handle implements [Grant].
func (g *ClientCredentials) Handle(_ context.Context, client auth.Client, form oauth.Params) (Response, error) {
	// RFC 6749 §4.4: only for confidential clients.
	if client.Type != auth.ClientConfidential {
		return Response{}, oauth.Errorf(oauth.UnauthorizedClient, "only confidential clients may act for themselves")
	}
	requested, ok := auth.ParseScope(form.Get("scope"))
	if !ok {
		return Response{}, oauth.Errorf(oauth.InvalidScope, "scope is malformed")
	}
	scopes := client.OwnScopes(requested)
	if len(scopes) == 0 && len(requested) > 0 {
		return Response{}, oauth.Errorf(oauth.InvalidScope, "the client may not have any of the requested scopes")
	}
	audience, err := client.AudienceFor(form.Resources())
	if err != nil {
		return Response{}, oauth.Errorf(oauth.InvalidTarget, "the client may not ask for this resource")
	}
	issued, err := record(g.minter, g.now())
	if err != nil {
		return Response{}, err
	}
	access, err := g.minter.AccessToken(mint.AccessToken{
		// RFC 9068 §2.2: the subject of a client's own token is the client.
		ID: issued.ID, Subject: client.ID, ClientID: client.ID, Audience: audience, Scopes: scopes, ExpiresAt: issued.ExpiresAt,
	})
	if err != nil {
		return Response{}, err
	}
	return Response{AccessToken: access, TokenType: "Bearer", ExpiresIn: int64(g.minter.Lifetime().Seconds()), Scope: auth.FormatScope(scopes)}, nil
}
