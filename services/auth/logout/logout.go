// Package logout owns the end-session endpoint (OpenID Connect RP-Initiated
// Logout 1.0): it ends the browser's session, after asking the person unless
// the client proves with an ID token that the session is its own.
//
// What ends with a session is left to the store; telling clients
// (back-channel logout) comes later.
package logout

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"gatehouse.example/internal/jose"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/oauth"
	"gatehouse.example/services/auth/page"
	"gatehouse.example/services/auth/signedin"
)

// Clients finds registered clients, or returns [auth.ErrNotFound].
type Clients interface {
	Client(ctx context.Context, id string) (auth.Client, error)
}

// Sessions tells who is signed in, or returns [auth.ErrNotFound].
type Sessions interface {
	Current(r *http.Request) (auth.Session, error)
	Forget(w http.ResponseWriter)
}

// Ender ends sessions.
type Ender interface {
	// SignOut ends the session and the refresh tokens that do not outlive it.
	SignOut(ctx context.Context, sessionID string, now time.Time) error
}

// Hints checks ID tokens that clients give back.
type Hints interface {
	VerifyIDTokenHint(ctx context.Context, token string) (*jose.Token, error)
}

// Options configures [New].
type Options struct {
	Clients  Clients
	Sessions Sessions
	Ender    Ender
	Hints    Hints
	Pages    *page.Renderer
	// Now is the clock. nil: time.Now.
	Now func() time.Time
}

// Endpoint is the end-session endpoint. It is safe for concurrent use.
type Endpoint struct{ Options }

// New returns the endpoint.
func New(o Options) *Endpoint {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Endpoint{o}
}

// ServeHTTP answers GET and POST (RP-Initiated Logout §2).
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	params, err := read(w, r)
	if err != nil {
		e.Pages.Message(w, r, http.StatusBadRequest, page.Message{Title: "Sign out", Text: "The request could not be read.", Link: "/account", LinkText: "Your account"})
		return
	}
	if r.Method == http.MethodPost && !e.Pages.SameOrigin(r) {
		// Sent by a client's site: without our cookie, and not by our own form.
		page.Redirect(w, "/oauth2/logout?"+params.Encode())
		return
	}
	hint := e.hint(r.Context(), params)
	session, err := e.Sessions.Current(r)
	switch {
	case errors.Is(err, auth.ErrNotFound):
		e.done(w, r, params, hint)
	case err != nil:
		e.Pages.Error(w, r, err)
	case r.Method != http.MethodPost && !(hint != nil && hint.Claims.SessionID == session.ID):
		e.ask(w, r, params)
	default:
		if err := e.Ender.SignOut(signedin.WithPerson(r.Context(), session), session.ID, e.Now()); err != nil {
			e.Pages.Error(w, r, err)
			return
		}
		e.done(w, r, params, hint)
	}
}

func read(w http.ResponseWriter, r *http.Request) (oauth.Params, error) {
	if r.Method == http.MethodPost && r.ContentLength != 0 {
		return oauth.ParseForm(w, r)
	}
	return oauth.ParseQuery(r.URL.RawQuery)
}

// hint returns the ID token that the client gave back, nil if there is none or
// it is not ours.
func (e *Endpoint) hint(ctx context.Context, p oauth.Params) *jose.Token {
	if !p.Has("id_token_hint") {
		return nil
	}
	token, err := e.Hints.VerifyIDTokenHint(ctx, p.Get("id_token_hint"))
	if err != nil || (p.Has("client_id") && !slices.Contains(token.Claims.Audience, p.Get("client_id"))) {
		return nil
	}
	return token
}

// ask lets the person decide (RP-Initiated Logout §2).
func (e *Endpoint) ask(w http.ResponseWriter, r *http.Request, p oauth.Params) {
	kept := map[string]string{}
	for _, name := range []string{"id_token_hint", "client_id", "post_logout_redirect_uri", "state"} {
		if p.Has(name) {
			kept[name] = p.Get(name)
		}
	}
	e.Pages.Render(w, r, page.View{Template: "logout", Title: "Sign out", LeadsAway: true, Data: struct{ Parameters map[string]string }{kept}})
}

// done sends the browser on to a registered URI of the client, or says that it
// is over (RP-Initiated Logout §3).
func (e *Endpoint) done(w http.ResponseWriter, r *http.Request, p oauth.Params, hint *jose.Token) {
	e.Sessions.Forget(w)
	target := p.Get("post_logout_redirect_uri")
	if target == "" || !e.registered(r.Context(), target, p, hint) {
		e.Pages.Message(w, r, http.StatusOK, page.Message{Title: "Signed out", Text: "You are signed out.", Link: "/login", LinkText: "Sign in again"})
		return
	}
	if state := p.Get("state"); state != "" {
		separator := "?"
		if strings.Contains(target, "?") {
			separator = "&"
		}
		target += separator + url.Values{"state": {state}}.Encode()
	}
	page.Redirect(w, target)
}

func (e *Endpoint) registered(ctx context.Context, target string, p oauth.Params, hint *jose.Token) bool {
	id := p.Get("client_id")
	if id == "" && hint != nil && len(hint.Claims.Audience) == 1 {
		id = hint.Claims.Audience[0]
	}
	if id == "" {
		return false
	}
	client, err := e.Clients.Client(ctx, id)
	return err == nil && slices.Contains(client.PostLogoutRedirectURIs, target)
}
