package token

import (
	"context"
	"errors"
	"time"

	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/identity"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/mint"
	"gatehouse.example/services/auth/oauth"
)

// Recorder keeps audit records that belong to no change in the database, or
// returns an error that says that it could not.
type Recorder interface {
	Record(ctx context.Context, r audit.Record) error
}

// Noter notes the access tokens of clients, so that they can be ended. It returns
// [auth.ErrConflict] if the client may not do by now what it says that it may.
type Noter interface {
	NoteClientToken(ctx context.Context, c auth.Client, t auth.AccessTokenRecord) error
}

// ClientCredentials is the client credentials grant (RFC 6749 §4.4). What it did
// changes nothing, so it is told to a Recorder.
type ClientCredentials struct {
	minter   Minter
	noter    Noter
	recorder Recorder
	now      func() time.Time
}

var _ Grant = (*ClientCredentials)(nil)

// NewClientCredentials returns the grant. now nil: time.Now.
func NewClientCredentials(m Minter, n Noter, r Recorder, now func() time.Time) *ClientCredentials {
	if now == nil {
		now = time.Now
	}
	return &ClientCredentials{m, n, r, now}
}

// Type implements [Grant].
func (g *ClientCredentials) Type() auth.GrantType { return auth.GrantClientCredentials }

// Handle implements [Grant].
func (g *ClientCredentials) Handle(ctx context.Context, client auth.Client, form oauth.Params) (Response, error) {
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
	err = g.noter.NoteClientToken(ctx, client, issued)
	if errors.Is(err, auth.ErrConflict) {
		return Response{}, justChanged()
	}
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
	note, err := audit.New(ctx, "auth", "token.issued", "token", issued.ID, g.now())
	if err != nil {
		return Response{}, err
	}
	note.ClientID = client.ID
	note = note.By(identity.KindClient, client.ID).With("grant_type", string(auth.GrantClientCredentials)).With("scope", auth.FormatScope(scopes))
	// A token that nobody knows of is not given out.
	if err := g.recorder.Record(ctx, note); err != nil {
		return Response{}, err
	}
	return Response{AccessToken: access, TokenType: "Bearer", ExpiresIn: int64(g.minter.Lifetime().Seconds()), Scope: auth.FormatScope(scopes)}, nil
}
