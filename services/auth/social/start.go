package social

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"gatehouse.example/sdk/social"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/browser"
	"gatehouse.example/services/auth/opaque"
	"gatehouse.example/services/auth/page"
)

const (
	// awayFor is how long a person may take at the provider.
	awayFor = 10 * time.Minute
	// proveFor is how long it may take to sign in to the account that an
	// identity is to be linked to.
	proveFor = time.Hour
	// cookieLife outlives both.
	cookieLife = 2 * time.Hour
	// secretLength is that of [opaque.New].
	secretLength = 43
)

// Start answers GET /login/start/{provider} with the parameter return_to.
func (e *Endpoint) Start(w http.ResponseWriter, r *http.Request) {
	entry, ok := e.Catalogue.Find(r.PathValue("provider"))
	if !ok {
		e.unknown(w, r)
		return
	}
	e.Begin(w, r, entry, auth.SocialFlow{Kind: auth.SocialSignIn, ReturnTo: browser.ReturnTo(r.URL.Query().Get("return_to"))})
}

// Begin sends the browser to the provider. Kind, UserID, SessionID and ReturnTo
// of the flow are the caller's; the rest is filled in.
func (e *Endpoint) Begin(w http.ResponseWriter, r *http.Request, entry Entry, f auth.SocialFlow) {
	state, secret := opaque.New(), e.secret(r)
	if secret == "" {
		secret = opaque.New()
	}
	target, err := entry.Provider.AuthorizationURL(r.Context(), social.Authorization{
		State: state, Nonce: derive(secret, "nonce", state), RedirectURI: e.callback(entry),
		CodeChallenge: auth.CodeChallenge(derive(secret, "verifier", state)),
	})
	if err != nil {
		e.failed(w, r, entry, err)
		return
	}
	f.Provider = entry.Name
	if err := e.begin(r, f, state, secret, awayFor); err != nil {
		e.Pages.Error(w, r, err)
		return
	}
	e.setSecret(w, secret)
	page.Redirect(w, target)
}

func (e *Endpoint) begin(r *http.Request, f auth.SocialFlow, state, secret string, lifetime time.Duration) error {
	now := e.Now()
	f.StateHash, f.BrowserHash, f.CreatedAt, f.ExpiresAt = opaque.Hash(state), opaque.Hash(secret), now, now.Add(lifetime)
	return e.Flows.BeginFlow(r.Context(), f)
}

// callback is the entry's own: an answer of one provider never looks like one
// of another (RFC 9700 §4.4.2.2).
func (e *Endpoint) callback(entry Entry) string {
	return strings.TrimSuffix(e.Issuer, "/") + "/login/callback/" + entry.Name
}

func (e *Endpoint) secure() bool { return strings.HasPrefix(e.Issuer, "https://") }

// CookieName returns the name of the cookie that binds sign-ins under way to
// the browser.
func (e *Endpoint) CookieName() string {
	if e.secure() {
		return "__Host-gatehouse_social"
	}
	return "gatehouse_social"
}

// secret returns the browser's, one for all its tabs, or "".
func (e *Endpoint) secret(r *http.Request) string {
	c, err := r.Cookie(e.CookieName())
	if err != nil || len(c.Value) != secretLength {
		return ""
	}
	return c.Value
}

func (e *Endpoint) setSecret(w http.ResponseWriter, secret string) {
	http.SetCookie(w, &http.Cookie{
		Name: e.CookieName(), Value: secret, Path: "/", MaxAge: int(cookieLife.Seconds()),
		HttpOnly: true, Secure: e.secure(),
		// Lax, not Strict: the browser comes from the provider's site.
		SameSite: http.SameSiteLaxMode,
	})
}

func (e *Endpoint) unknown(w http.ResponseWriter, r *http.Request) {
	e.Pages.Message(w, r, http.StatusNotFound, page.Message{
		Title: "Sign in", Text: "There is no such way to sign in.", Link: "/login", LinkText: "Back to sign-in",
	})
}

// failed says why the provider did not sign the person in, and tells the
// operator what the person is not told.
func (e *Endpoint) failed(w http.ResponseWriter, r *http.Request, entry Entry, err error) {
	if r.Context().Err() != nil {
		return // nobody is left to tell
	}
	m := page.Message{Title: "Not signed in", Link: "/login", LinkText: "Back to sign-in"}
	status := http.StatusServiceUnavailable
	switch social.KindOf(err) {
	case social.KindDenied:
		status, m.Text = http.StatusForbidden, entry.DisplayName+" did not sign you in, because you or they declined."
	case social.KindInvalid:
		status, m.Text = http.StatusBadRequest, "The answer of "+entry.DisplayName+" could not be accepted. Please begin again."
	case social.KindMisconfigured:
		status, m.Text = http.StatusBadGateway, "Signing in through "+entry.DisplayName+" does not work at present. The operator has to mend it; another way to sign in may work."
	default:
		w.Header().Set("Retry-After", "5")
		m.Text = entry.DisplayName + " cannot be reached right now. Please try again in a moment, or sign in another way."
	}
	if status >= http.StatusInternalServerError {
		e.Logger.WarnContext(r.Context(), "social sign-in failed", "provider", entry.Name, "error", err)
	} else {
		e.Logger.InfoContext(r.Context(), "social sign-in refused", "provider", entry.Name, "error", err)
	}
	e.Pages.Message(w, r, status, m)
}

func isNotFound(err error) bool { return errors.Is(err, auth.ErrNotFound) }
