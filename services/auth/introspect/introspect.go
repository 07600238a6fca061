// Package introspect owns the introspection endpoint (RFC 7662): it says of a
// token what it allows, to the client that it was issued to and to the clients
// that it is meant for, and "inactive" to everybody else. A token is meant for a
// client whose resource is in its audience; one for Gatehouse itself, for the
// clients of administrators.
//
// What is no token of a client is inactive here: API keys, ID tokens, and what
// the gateway makes for services.
//
// Gateways do not ask here: they verify tokens themselves and follow the
// revocation list.
package introspect

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"
	"time"

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

// Endings knows which access tokens were ended before their time.
type Endings interface {
	AccessTokenEnded(ctx context.Context, tokenID, sessionID, clientID string) (bool, error)
}

// Families finds refresh tokens' families, or returns [auth.ErrNotFound].
type Families interface {
	Family(ctx context.Context, id string) (auth.RefreshFamily, error)
}

// Options configures [New].
type Options struct {
	Issuer    string
	Clients   Authenticator
	Tokens    Verifier
	Endings   Endings
	Families  Families
	Refresher *opaque.Refresher
	// Now is the clock. nil: time.Now.
	Now func() time.Time
}

// Endpoint is the introspection endpoint. It is safe for concurrent use.
type Endpoint struct{ Options }

// New returns the endpoint.
func New(o Options) *Endpoint {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Endpoint{o}
}

// Response is the answer (RFC 7662 §2.2). One that is not active has no other
// member.
type Response struct {
	Active    bool     `json:"active"`
	TokenType string   `json:"token_type,omitempty"`
	Issuer    string   `json:"iss,omitempty"`
	Subject   string   `json:"sub,omitempty"`
	ClientID  string   `json:"client_id,omitempty"`
	Audience  []string `json:"aud,omitempty"`
	Scope     string   `json:"scope,omitempty"`
	Roles     []string `json:"roles,omitempty"`
	SessionID string   `json:"sid,omitempty"`
	ID        string   `json:"jti,omitempty"`
	ExpiresAt int64    `json:"exp,omitempty"`
	IssuedAt  int64    `json:"iat,omitempty"`
	AuthTime  int64    `json:"auth_time,omitempty"`
}

// ServeHTTP answers POST.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	response, err := e.handle(w, r)
	if err != nil {
		oauth.WriteError(w, r, err)
		return
	}
	oauth.WriteJSON(w, http.StatusOK, response)
}

func (e *Endpoint) handle(w http.ResponseWriter, r *http.Request) (Response, error) {
	form, err := oauth.ParseForm(w, r)
	if err != nil {
		return Response{}, err
	}
	client, err := e.Clients.Authenticate(r, form)
	if err != nil {
		return Response{}, err
	}
	if client.Type != auth.ClientConfidential {
		// RFC 7662 §2.1: without authentication anybody could try tokens here.
		return Response{}, oauth.Errorf(oauth.UnauthorizedClient, "only confidential clients may introspect")
	}
	if !form.Has("token") {
		return Response{}, oauth.Errorf(oauth.InvalidRequest, "token is required")
	}
	if id, err := e.Refresher.Family(form.Get("token")); err == nil {
		return e.refreshToken(r.Context(), client, id, form.Get("token"))
	}
	return e.accessToken(r.Context(), client, form.Get("token"))
}

func (e *Endpoint) accessToken(ctx context.Context, client auth.Client, token string) (Response, error) {
	verified, err := e.Tokens.VerifyAccessToken(ctx, token, nil)
	if err != nil {
		return Response{}, nil //nolint:nilerr // RFC 7662 §2.2: a bad token is an answer, not an error
	}
	c := verified.Claims
	if c.ClientID != client.ID && !meantFor(client, c.Audience) {
		return Response{}, nil
	}
	ended, err := e.Endings.AccessTokenEnded(ctx, c.ID, c.SessionID, c.ClientID)
	if err != nil || ended {
		return Response{}, err
	}
	r := Response{
		Active: true, TokenType: "Bearer", Issuer: c.Issuer, Subject: c.Subject, ClientID: c.ClientID, Audience: c.Audience, Scope: c.Scope,
		Roles: c.Roles, SessionID: c.SessionID, ID: c.ID, ExpiresAt: c.ExpiresAt.Unix(), IssuedAt: c.IssuedAt.Unix(),
	}
	if !c.AuthTime.IsZero() {
		r.AuthTime = c.AuthTime.Unix()
	}
	return r, nil
}

// meantFor reports whether the client serves something in the audience
// (RFC 7662 §4: others must not learn what a token allows).
func meantFor(client auth.Client, audience []string) bool {
	for _, a := range audience {
		switch {
		case a == auth.DefaultAudience:
			if client.Admin {
				return true
			}
		case a == client.ID, slices.Contains(client.Resources, a):
			return true
		}
	}
	return false
}

func (e *Endpoint) refreshToken(ctx context.Context, client auth.Client, id, token string) (Response, error) {
	f, err := e.Families.Family(ctx, id)
	switch {
	case errors.Is(err, auth.ErrNotFound):
		return Response{}, nil
	case err != nil:
		return Response{}, err
	case f.ClientID != client.ID, f.Usable(e.Now()) != nil, subtle.ConstantTimeCompare(f.CurrentHash, opaque.Hash(token)) != 1:
		return Response{}, nil
	}
	end := f.ExpiresAt
	if f.IdleExpiresAt.Before(end) {
		end = f.IdleExpiresAt
	}
	return Response{
		Active: true, TokenType: "refresh_token", Issuer: e.Issuer, Subject: f.UserID, ClientID: f.ClientID,
		Scope: auth.FormatScope(f.Scopes), ExpiresAt: end.Unix(), IssuedAt: f.RotatedAt.Unix(), AuthTime: f.AuthTime.Unix(),
	}, nil
}
