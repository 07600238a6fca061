// Package revoke owns the revocation endpoint (RFC 7009): a client ends a
// refresh token, with everything that came of the same grant, or an access
// token, which gateways then refuse until it would have expired.
//
// Telling the gateways is left to the store's outbox; ending sessions to
// services/auth/sessions and logout.
package revoke

import (
	"context"
	"errors"
	"net/http"
	"time"

	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/jose"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/oauth"
	"gatehouse.example/services/auth/opaque"
)

// Authenticator tells which client sent a request.
type Authenticator interface {
	Authenticate(r *http.Request, form oauth.Params) (auth.Client, error)
}

// Verifier checks access tokens of ours.
type Verifier interface {
	VerifyAccessToken(ctx context.Context, token string, audience []string) (*jose.Token, error)
}

// Families finds refresh tokens' families, or returns [auth.ErrNotFound].
type Families interface {
	Family(ctx context.Context, id string) (auth.RefreshFamily, error)
}

// Revoker ends grants and tokens.
type Revoker interface {
	RevokeGrant(ctx context.Context, grantID, reason string, now time.Time) error
	RevokeAccessToken(ctx context.Context, tokenID string, expires, now time.Time) error
}

// Options configures [New].
type Options struct {
	Clients   Authenticator
	Tokens    Verifier
	Families  Families
	Revoker   Revoker
	Refresher *opaque.Refresher
	// Now is the clock. nil: time.Now.
	Now func() time.Time
}

// Endpoint is the revocation endpoint. It is safe for concurrent use.
type Endpoint struct{ Options }

// New returns the endpoint.
func New(o Options) *Endpoint {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Endpoint{o}
}

// ServeHTTP answers POST: 200 for a token that is or was already invalid
// (RFC 7009 §2.2).
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := e.handle(w, r); err != nil {
		oauth.WriteError(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
}

func (e *Endpoint) handle(w http.ResponseWriter, r *http.Request) error {
	form, err := oauth.ParseForm(w, r)
	if err != nil {
		return err
	}
	client, err := e.Clients.Authenticate(r, form)
	if err != nil {
		return err
	}
	if !form.Has("token") {
		return oauth.Errorf(oauth.InvalidRequest, "token is required")
	}
	// What ends now is recorded as the client's doing.
	ctx := identity.WithPrincipal(r.Context(), identity.Principal{Kind: identity.KindClient, Subject: client.ID, ClientID: client.ID})
	// token_type_hint only says where to look first (RFC 7009 §2.1); the two
	// kinds cannot be mistaken for one another.
	if id, err := e.Refresher.Family(form.Get("token")); err == nil {
		return e.refreshToken(ctx, client, id)
	}
	return e.accessToken(ctx, client, form.Get("token"))
}

func (e *Endpoint) refreshToken(ctx context.Context, client auth.Client, id string) error {
	family, err := e.Families.Family(ctx, id)
	switch {
	case errors.Is(err, auth.ErrNotFound):
		return nil
	case err != nil:
		return err
	case family.ClientID != client.ID:
		return otherClient()
	}
	return e.Revoker.RevokeGrant(ctx, family.ID, "revoked_by_client", e.Now())
}

func (e *Endpoint) accessToken(ctx context.Context, client auth.Client, token string) error {
	verified, err := e.Tokens.VerifyAccessToken(ctx, token, nil)
	if err != nil {
		return nil //nolint:nilerr // RFC 7009 §2.2: an invalid token needs no revocation
	}
	if verified.Claims.ClientID != client.ID {
		return otherClient()
	}
	return e.Revoker.RevokeAccessToken(ctx, verified.Claims.ID, verified.Claims.ExpiresAt, e.Now())
}

// otherClient refuses to end what another client holds (RFC 7009 §2.1).
func otherClient() *oauth.Error {
	return oauth.Errorf(oauth.InvalidGrant, "the token was issued to another client")
}
