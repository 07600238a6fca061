// Package authorize owns the authorization endpoint (RFC 6749 §3.1): it checks
// the request, sends who is not signed in to the sign-in page, and answers with
// a code bound to the client, the redirect URI and the PKCE challenge.
//
// Only the code flow exists. Signing in is left to services/auth/login, the
// code's redemption to services/auth/token. Consent of a person for other
// people's clients comes later; until then only administrators register clients.
package authorize

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/oauth"
	"gatehouse.example/services/auth/opaque"
	"gatehouse.example/services/auth/page"
)

// Clients finds registered clients, or returns [auth.ErrNotFound].
type Clients interface {
	Client(ctx context.Context, id string) (auth.Client, error)
}

// Codes stores issued codes.
type Codes interface {
	SaveCode(ctx context.Context, c auth.AuthorizationCode) error
}

// Sessions tells who is signed in, or returns [auth.ErrNotFound].
type Sessions interface {
	Current(r *http.Request) (auth.Session, error)
}

// Options configures [New].
type Options struct {
	Issuer   string
	Clients  Clients
	Codes    Codes
	Sessions Sessions
	Pages    *page.Renderer
	// CodeLifetime is how long a code is good. Zero: one minute
	// (RFC 6749 §4.1.2: at most ten).
	CodeLifetime time.Duration
	// Now is the clock. nil: time.Now.
	Now func() time.Time
}

// Endpoint is the authorization endpoint. It is safe for concurrent use.
type Endpoint struct{ Options }

// New returns the endpoint.
func New(o Options) *Endpoint {
	if o.CodeLifetime <= 0 {
		o.CodeLifetime = time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Endpoint{o}
}

// ServeHTTP answers GET, and POST by sending the browser to GET: a form sent
// from the client's site comes without our SameSite cookie.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		form, err := oauth.ParseForm(w, r)
		if err != nil {
			e.refuse(w, r, err)
			return
		}
		page.Redirect(w, "/oauth2/authorize?"+form.Encode())
		return
	}
	params, paramsErr := oauth.ParseQuery(r.URL.RawQuery)
	client, err := e.trusted(r.Context(), params)
	if err != nil {
		e.refuse(w, r, err)
		return
	}
	answer := answer{to: params.Get("redirect_uri"), state: params.Get("state"), issuer: e.Issuer}
	if paramsErr != nil {
		answer.fail(w, oauth.AsError(r.Context(), paramsErr))
		return
	}
	req, err := parse(client, params)
	if err != nil {
		answer.fail(w, oauth.AsError(r.Context(), err))
		return
	}
	session, err := e.session(r, req)
	switch {
	case errors.Is(err, errSignIn) && req.promptNone:
		answer.fail(w, oauth.Errorf(oauth.LoginRequired, "nobody is signed in, or not recently enough"))
	case errors.Is(err, errSignIn):
		page.Redirect(w, signInURL(params))
	case err != nil:
		answer.fail(w, oauth.AsError(r.Context(), err))
	default:
		e.issue(w, r, answer, req, session)
	}
}

// trusted returns the client if its redirect URI may be used. Until then no
// error may be sent there (RFC 6749 §3.1.2.4, RFC 9700 §4.11).
func (e *Endpoint) trusted(ctx context.Context, p oauth.Params) (auth.Client, error) {
	id := p.Get("client_id")
	if id == "" {
		return auth.Client{}, oauth.Errorf(oauth.InvalidRequest, "client_id is missing or occurs more than once")
	}
	client, err := e.Clients.Client(ctx, id)
	if errors.Is(err, auth.ErrNotFound) {
		return auth.Client{}, oauth.Errorf(oauth.InvalidRequest, "the client is not registered")
	}
	if err != nil {
		return auth.Client{}, err
	}
	if !client.MatchRedirectURI(p.Get("redirect_uri")) {
		return auth.Client{}, oauth.Errorf(oauth.InvalidRequest, "redirect_uri is not registered for the client")
	}
	return client, nil
}

// refuse shows an error to the person, because there is no one else to tell.
func (e *Endpoint) refuse(w http.ResponseWriter, r *http.Request, err error) {
	known, ok := errors.AsType[*oauth.Error](err)
	if !ok {
		e.Pages.Error(w, r, err)
		return
	}
	e.Pages.Message(w, r, http.StatusBadRequest, page.Message{
		Title: "This sign-in link does not work",
		Text:  "The application that sent you here made a mistake: " + known.Description + " (" + known.Code + ").",
	})
}

var errSignIn = errors.New("the person must sign in")

// session returns the session to issue a code for, or errSignIn.
func (e *Endpoint) session(r *http.Request, req request) (auth.Session, error) {
	s, err := e.Sessions.Current(r)
	switch {
	case errors.Is(err, auth.ErrNotFound):
		return s, errSignIn
	case err != nil:
		return s, err
	case req.promptLogin:
		return s, errSignIn
	case req.maxAge == 0, req.maxAge > 0 && e.Now().Sub(s.AuthTime) > req.maxAge:
		return s, errSignIn
	}
	return s, nil
}

// signInURL leads to the sign-in page and back. What forced the sign-in is
// left out of the way back, or it would never end; the client sees from
// auth_time that it happened (OpenID Connect Core §3.1.2.1).
func signInURL(p oauth.Params) string {
	back := p.Without("prompt")
	if p.Get("max_age") == "0" {
		back = back.Without("max_age")
	}
	query := url.Values{"return_to": {"/oauth2/authorize?" + back.Encode()}}
	if hint := p.Get("login_hint"); hint != "" {
		query.Set("login_hint", hint)
	}
	return "/login?" + query.Encode()
}

func (e *Endpoint) issue(w http.ResponseWriter, r *http.Request, to answer, req request, s auth.Session) {
	id, err := uuid.NewV7()
	if err != nil {
		to.fail(w, oauth.AsError(r.Context(), err))
		return
	}
	code, now := opaque.New(), e.Now()
	err = e.Codes.SaveCode(r.Context(), auth.AuthorizationCode{
		Grant: auth.Grant{
			ID: id.String(), ClientID: req.clientID, UserID: s.UserID, SessionID: s.ID,
			Scopes: req.scopes, Audience: req.audience, AuthTime: s.AuthTime,
		},
		Hash: opaque.Hash(code), RedirectURI: to.to, CodeChallenge: req.challenge, Nonce: req.nonce,
		CreatedAt: now, ExpiresAt: now.Add(e.CodeLifetime),
	})
	if err != nil {
		to.fail(w, oauth.AsError(r.Context(), err))
		return
	}
	to.send(w, url.Values{"code": {code}})
}

// answer is the way back to a client whose redirect URI is verified.
type answer struct{ to, state, issuer string }

func (a answer) fail(w http.ResponseWriter, err *oauth.Error) {
	a.send(w, url.Values{"error": {err.Code}, "error_description": {err.Description}})
}

// send adds state (RFC 6749 §4.1.2) and iss (RFC 9207 §2) and redirects. The
// redirect URI stays what it is; its own query is kept (RFC 6749 §3.1.2).
func (a answer) send(w http.ResponseWriter, values url.Values) {
	if a.state != "" {
		values.Set("state", a.state)
	}
	values.Set("iss", a.issuer)
	separator := "?"
	if strings.Contains(a.to, "?") {
		separator = "&"
	}
	page.Redirect(w, a.to+separator+values.Encode())
}
