// Package token owns the token endpoint (RFC 6749 §3.2): it authenticates the
// client and hands the request to the grant type that it names. Each grant
// type is a file of its own.
//
// The form of tokens is left to services/auth/mint, atomic redemption to the
// store, client authentication to services/auth/clientauth.
package token

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/mint"
	"gatehouse.example/services/auth/oauth"
)

// Authenticator tells which client sent a request.
type Authenticator interface {
	Authenticate(r *http.Request, form oauth.Params) (auth.Client, error)
}

// Minter makes tokens.
type Minter interface {
	AccessToken(t mint.AccessToken) (string, error)
	IDToken(t mint.IDToken) (string, error)
	Lifetime() time.Duration
}

// Grant is one value of grant_type.
type Grant interface {
	// Type is that value.
	Type() auth.GrantType
	// Handle answers the request of a client that may use the grant.
	Handle(ctx context.Context, client auth.Client, form oauth.Params) (Response, error)
}

// Response is a successful answer (RFC 6749 §5.1, OpenID Connect Core §3.1.3.3).
type Response struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token,omitempty"`
	IDToken      string `json:"id_token,omitempty"`
	// Scope is there even where all was granted that was asked for; a list of
	// none cannot be written (RFC 6749 §3.3).
	Scope string `json:"scope,omitempty"`
}

// Endpoint is the token endpoint. It is safe for concurrent use.
type Endpoint struct {
	clients Authenticator
	grants  map[auth.GrantType]Grant
}

// New returns the endpoint with the given grants.
func New(clients Authenticator, grants ...Grant) *Endpoint {
	e := &Endpoint{clients: clients, grants: map[auth.GrantType]Grant{}}
	for _, g := range grants {
		e.grants[g.Type()] = g
	}
	return e
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
	client, err := e.clients.Authenticate(r, form)
	if err != nil {
		return Response{}, err
	}
	if !form.Has("grant_type") {
		return Response{}, oauth.Errorf(oauth.InvalidRequest, "grant_type is missing")
	}
	grant, ok := e.grants[auth.GrantType(form.Get("grant_type"))]
	if !ok {
		return Response{}, oauth.Errorf(oauth.UnsupportedGrantType, "the grant_type is not supported")
	}
	if !client.MayUse(grant.Type()) {
		return Response{}, oauth.Errorf(oauth.UnauthorizedClient, "the client is not registered for this grant_type")
	}
	return grant.Handle(r.Context(), client, form)
}

// record makes the id and expiry of an access token before it is signed, so
// that it can be stored in the statement that allows it.
func record(m Minter, now time.Time) (auth.AccessTokenRecord, error) {
	id, err := uuid.NewV7()
	return auth.AccessTokenRecord{ID: id.String(), ExpiresAt: now.Add(m.Lifetime())}, err
}
