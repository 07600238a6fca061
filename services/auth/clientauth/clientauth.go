// Package clientauth owns client authentication at the token, introspection
// and revocation endpoints (RFC 6749 §2.3): none, client_secret_basic and
// client_secret_post, one method per client as registered.
//
// What an authenticated client may do is left to the endpoints.
package clientauth

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/oauth"
	"gatehouse.example/services/auth/opaque"
)

// Clients finds registered clients, or returns [auth.ErrNotFound].
type Clients interface {
	Client(ctx context.Context, id string) (auth.Client, error)
}

// Options configures [New].
type Options struct {
	Clients Clients
	// Now is the clock. nil: time.Now.
	Now func() time.Time
}

// Authenticator tells which client sent a request. It is safe for concurrent use.
type Authenticator struct {
	clients Clients
	now     func() time.Time
}

// New returns an authenticator.
func New(o Options) *Authenticator {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Authenticator{clients: o.Clients, now: o.Now}
}

// presented is what a request says of its client.
type presented struct {
	id, secret string
	method     auth.AuthMethod
}

// Authenticate returns the client that sent r with the form.
//
// # Errors
//
// invalid_client (401, RFC 6749 §5.2) with the same words whether the client or
// its secret is unknown; invalid_request for two methods at once (§2.3).
func (a *Authenticator) Authenticate(r *http.Request, form oauth.Params) (auth.Client, error) {
	p, err := read(r, form)
	if err != nil {
		return auth.Client{}, err
	}
	client, err := a.clients.Client(r.Context(), p.id)
	if errors.Is(err, auth.ErrNotFound) {
		return auth.Client{}, refuse()
	}
	if err != nil {
		return auth.Client{}, err
	}
	// RFC 7591 §2: a client uses the one method it registered; a confidential
	// one cannot fall back to none.
	if p.method != client.TokenEndpointAuthMethod {
		return auth.Client{}, refuse()
	}
	if p.method != auth.AuthNone && !client.SecretMatches(opaque.Hash(p.secret), a.now()) {
		return auth.Client{}, refuse()
	}
	return client, nil
}

func read(r *http.Request, form oauth.Params) (presented, error) {
	header := r.Header.Get("Authorization")
	switch {
	case len(r.Header.Values("Authorization")) > 1:
		return presented{}, oauth.Errorf(oauth.InvalidRequest, "more than one Authorization header")
	case header != "" && form.Has("client_secret"):
		// RFC 6749 §2.3: at most one method in each request.
		return presented{}, oauth.Errorf(oauth.InvalidRequest, "more than one client authentication method")
	case header != "":
		id, secret, ok := parseBasic(header)
		if !ok {
			return presented{}, refuse()
		}
		if form.Has("client_id") && form.Get("client_id") != id {
			return presented{}, oauth.Errorf(oauth.InvalidRequest, "client_id does not match the Authorization header")
		}
		return presented{id, secret, auth.AuthBasic}, nil
	case !form.Has("client_id"):
		return presented{}, refuse()
	case form.Has("client_secret"):
		return presented{form.Get("client_id"), form.Get("client_secret"), auth.AuthPost}, nil
	}
	return presented{id: form.Get("client_id"), method: auth.AuthNone}, nil
}

// parseBasic reads an Authorization header. Both halves are form-encoded
// before they are joined (RFC 6749 §2.3.1).
func parseBasic(header string) (id, secret string, ok bool) {
	scheme, rest, found := strings.Cut(header, " ")
	if !found || !strings.EqualFold(scheme, "Basic") {
		return "", "", false
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(rest))
	if err != nil {
		return "", "", false
	}
	left, right, found := strings.Cut(string(raw), ":")
	if !found {
		return "", "", false
	}
	id, err = url.QueryUnescape(left)
	if err != nil {
		return "", "", false
	}
	secret, err = url.QueryUnescape(right)
	return id, secret, err == nil && id != "" && secret != "" && !strings.ContainsRune(id, 0)
}

func refuse() *oauth.Error {
	e := &oauth.Error{Code: oauth.InvalidClient, Description: "client authentication failed", Status: http.StatusUnauthorized}
	// RFC 9110 §15.5.2: a 401 names a scheme that would do.
	e.Challenge = `Basic realm="gatehouse", charset="UTF-8"`
	return e
}
