// Package reset owns the way back into an account whose password is lost: the
// page that asks for a mail, and the page behind the mail's link that sets
// another password, once.
//
// A known address gets the same answer as an unknown one, in the same time. The
// link's code is left to services/auth/challenge; what ends with the old
// password, to the store; the account's status to the user service.
package reset

import (
	"context"
	"net/http"
	"strings"
	"time"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/problem"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/browser"
	"gatehouse.example/services/auth/challenge"
	"gatehouse.example/services/auth/oauth"
	"gatehouse.example/services/auth/page"
	"gatehouse.example/services/auth/password"
	"gatehouse.example/services/auth/throttle"
)

// Accounts finds accounts in the user service and records that an address is
// proven.
type Accounts interface {
	AccountByLogin(ctx context.Context, login string) (userapi.Account, error)
	AccountByID(ctx context.Context, id string) (userapi.Account, error)
	VerifyEmail(ctx context.Context, id, email string) (userapi.Account, error)
}

// Challenges stores the links.
type Challenges interface {
	// Challenge returns the challenge, pending or not, or [auth.ErrNotFound].
	Challenge(ctx context.Context, id string) (auth.Challenge, error)
	// RequestReset stores the challenge and announces it, unless the person got
	// too many mails lately.
	RequestReset(ctx context.Context, c auth.Challenge, limit auth.MailLimit) (sent bool, err error)
}

// Passwords sets passwords.
type Passwords interface {
	// ResetPassword consumes the pending challenge, sets the password and ends
	// all that the person holds, API keys too; an error of proven leaves all as it was.
	// It returns [auth.ErrNotFound], [auth.ErrConsumed] or [auth.ErrExpired]
	// otherwise.
	ResetPassword(ctx context.Context, r auth.PasswordReset, proven func(context.Context, auth.Challenge) error) (auth.Challenge, error)
}

// Guard bounds how many mails somebody can ask for.
type Guard interface {
	Attempt(ctx context.Context, login, address string) (wait time.Duration, err error)
}

// Options configures [New].
type Options struct {
	Accounts   Accounts
	Challenges Challenges
	Passwords  Passwords
	Guard      Guard
	Links      *challenge.Links
	Hasher     *password.Hasher
	Pages      *page.Renderer
	// Lifetime is how long a mailed link is good. Zero: an hour.
	Lifetime time.Duration
	// Locale returns the language that a browser asks for.
	Locale func(r *http.Request) string
	// Now is the clock. nil: time.Now.
	Now func() time.Time
}

// Endpoint is the two pages. It is safe for concurrent use.
type Endpoint struct{ Options }

// New returns the endpoint.
func New(o Options) *Endpoint {
	if o.Lifetime <= 0 {
		o.Lifetime = time.Hour
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Endpoint{o}
}

// Show answers GET: with the fields challenge and code the form for the new
// password, else the one that asks for a mail. It changes nothing: programs
// follow links in mails.
func (e *Endpoint) Show(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if query.Has("challenge") || query.Has("code") {
		e.choose(w, r, http.StatusOK, query.Get("challenge"), query.Get("code"), "")
		return
	}
	e.form(w, r, http.StatusOK, request{ReturnTo: browser.ReturnTo(query.Get("return_to"))})
}

// Submit answers POST: with the field challenge it sets the password, else it
// asks for a mail.
func (e *Endpoint) Submit(w http.ResponseWriter, r *http.Request) {
	form, err := oauth.ParseForm(w, r)
	switch {
	case err != nil:
		e.Pages.Unreadable(w, r, "Forgot your password?", "/reset")
	case form.Has("challenge") || form.Has("code"):
		e.set(w, r, form.Get("challenge"), form.Get("code"), form.Get("password"))
	default:
		e.ask(w, r, request{Email: strings.TrimSpace(form.Get("email")), ReturnTo: browser.ReturnTo(form.Get("return_to"))})
	}
}

type request struct {
	Email, ReturnTo, LoginLink, Error string
}

func (e *Endpoint) form(w http.ResponseWriter, r *http.Request, status int, v request) {
	v.LoginLink = browser.WithReturnTo("/login", v.ReturnTo)
	e.Pages.Render(w, r, page.View{Template: "reset", Title: "Forgot your password?", Status: status, Data: v})
}

func (e *Endpoint) ask(w http.ResponseWriter, r *http.Request, v request) {
	if v.Email == "" || len(v.Email) > 320 {
		v.Error = "Enter the email address of your account."
		e.form(w, r, http.StatusUnprocessableEntity, v)
		return
	}
	// Counted whether the address is known or not.
	wait, err := e.Guard.Attempt(r.Context(), v.Email, browser.ClientAddress(r))
	if err != nil {
		e.Pages.Error(w, r, err)
		return
	}
	if wait > 0 {
		v.Error = throttle.Tell(w, wait)
		e.form(w, r, http.StatusTooManyRequests, v)
		return
	}
	if err := e.request(r, v); err != nil {
		e.Pages.Error(w, r, err)
		return
	}
	e.Pages.Message(w, r, http.StatusOK, page.Message{
		Title: "Check your mail",
		Text:  "If " + v.Email + " belongs to an account, we sent a mail to it. Follow the link in it to choose a new password.",
		Link:  browser.WithReturnTo("/login", v.ReturnTo), LinkText: "Back to sign-in",
	})
}

// request asks for the mail, if there is somebody to write to. A suspended
// person learns at the link, as at sign-in, that the account is no use.
func (e *Endpoint) request(r *http.Request, v request) error {
	ctx := r.Context()
	defer throttle.Even(ctx)()
	account, err := e.Accounts.AccountByLogin(ctx, v.Email)
	if problem.HasStatus(err, http.StatusNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	c, err := challenge.New(auth.PurposeResetPassword, account, e.Locale(r), e.Now(), e.Lifetime)
	if err != nil {
		return err
	}
	c.ReturnTo = v.ReturnTo
	_, err = e.Challenges.RequestReset(ctx, c, auth.DefaultMailLimit())
	return err
}
