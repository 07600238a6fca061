// Package verify owns the page behind a mailed link that proves an address: that
// of a new account, or the one that an account shall get. In the browser in
// which somebody registered, following the link of a new account is enough.
// Elsewhere GET only shows a button, because mail scanners follow links; the
// button's POST meets the challenge, once.
//
// The link's code is left to services/auth/challenge, the account's status to
// the user service.
package verify

import (
	"context"
	"errors"
	"net/http"
	"time"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/problem"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/browser"
	"gatehouse.example/services/auth/challenge"
	"gatehouse.example/services/auth/oauth"
	"gatehouse.example/services/auth/page"
	"gatehouse.example/services/auth/signedin"
)

// Accounts records in the user service that an address is proven.
type Accounts interface {
	AccountByID(ctx context.Context, id string) (userapi.Account, error)
	VerifyEmail(ctx context.Context, id, email string) (userapi.Account, error)
	ChangeEmail(ctx context.Context, id string, p userapi.EmailChange) (userapi.Account, error)
}

// Challenges meets challenges.
type Challenges interface {
	// MeetChallenge consumes the pending challenge by one statement, makes its
	// password the user's credential, and calls proven before that is durable;
	// an error of proven leaves the challenge pending. It returns
	// [auth.ErrNotFound], [auth.ErrConsumed] or [auth.ErrExpired] otherwise.
	MeetChallenge(ctx context.Context, id string, p auth.Purpose, now time.Time, proven func(context.Context, auth.Challenge) error) (auth.Challenge, error)
}

// Browsers tells a browser in which somebody registered from a program that
// follows links.
type Browsers interface {
	HasRegistered(r *http.Request) bool
}

// Options configures [New].
type Options struct {
	Accounts   Accounts
	Challenges Challenges
	Links      *challenge.Links
	Pages      *page.Renderer
	Browsers   Browsers
	// Now is the clock. nil: time.Now.
	Now func() time.Time
}

// Endpoint is the verification page. It is safe for concurrent use.
type Endpoint struct{ Options }

// New returns the endpoint.
func New(o Options) *Endpoint {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Endpoint{o}
}

// Show answers GET with the fields challenge and code. It changes nothing,
// unless somebody registered in this browser.
func (e *Endpoint) Show(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	id, code := query.Get("challenge"), query.Get("code")
	purpose, ok := e.purpose(id, code)
	switch {
	case !ok:
		e.invalid(w, r)
	case purpose == auth.PurposeVerifyEmail && e.Browsers.HasRegistered(r):
		e.meet(w, r, id, purpose, true)
	default:
		text := "Confirm that you want to use this address to sign in."
		if purpose == auth.PurposeChangeEmail {
			text = "Confirm that this shall be the address of your account from now on."
		}
		e.Pages.Render(w, r, page.View{Template: "verify", Title: "Confirm your address", Data: struct{ Text, Challenge, Code string }{text, id, code}})
	}
}

// purpose returns what the link is for; a code is good for one purpose alone.
func (e *Endpoint) purpose(id, code string) (p auth.Purpose, ok bool) {
	for _, p := range []auth.Purpose{auth.PurposeVerifyEmail, auth.PurposeChangeEmail} {
		if e.Links.Check(p, id, code) {
			return p, true
		}
	}
	return "", false
}

// Submit answers POST with the fields challenge and code.
func (e *Endpoint) Submit(w http.ResponseWriter, r *http.Request) {
	form, err := oauth.ParseForm(w, r)
	if err != nil {
		e.invalid(w, r)
		return
	}
	purpose, ok := e.purpose(form.Get("challenge"), form.Get("code"))
	if !ok {
		e.invalid(w, r)
		return
	}
	e.meet(w, r, form.Get("challenge"), purpose, false)
}

var errNotActive = errors.New("the account may not act")

// prove tells the user service what the link has proven.
func (e *Endpoint) prove(ctx context.Context, c auth.Challenge) error {
	if c.Purpose != auth.PurposeChangeEmail {
		_, err := e.Accounts.VerifyEmail(ctx, c.UserID, c.Email)
		return err
	}
	account, err := e.Accounts.AccountByID(ctx, c.UserID)
	if err != nil {
		return err
	}
	if account.Status != userapi.StatusActive {
		return errNotActive
	}
	_, err = e.Accounts.ChangeEmail(ctx, c.UserID, userapi.EmailChange{From: c.OldEmail, Email: c.Email})
	return err
}

// meet meets the challenge and says so. Where the link was merely followed, a
// reload or Back says again what is so; a button works once.
func (e *Endpoint) meet(w http.ResponseWriter, r *http.Request, id string, purpose auth.Purpose, followed bool) {
	met, err := e.Challenges.MeetChallenge(r.Context(), id, purpose, e.Now(), e.prove)
	refused, isProblem := errors.AsType[*problem.Problem](err)
	switch {
	case err == nil && purpose == auth.PurposeChangeEmail:
		e.Pages.Message(w, r, http.StatusOK, page.Message{
			Title: "Address changed", Text: "The address of your account is " + met.Email + " from now on.", Link: "/account", LinkText: "Your account",
		})
	case err == nil, followed && errors.Is(err, auth.ErrConsumed):
		e.Pages.Message(w, r, http.StatusOK, page.Message{
			Title: "Address confirmed", Text: "You can sign in now.",
			Link: browser.WithReturnTo("/login", met.ReturnTo), LinkText: "Sign in",
		})
	case errors.Is(err, auth.ErrConsumed):
		e.Pages.Message(w, r, http.StatusGone, page.Message{
			Title: "Link used already", Text: "This link works once. If you confirmed your address, you can sign in.",
			Link: "/login", LinkText: "Sign in",
		})
	case errors.Is(err, errNotActive):
		signedin.Refuse(e.Pages, w, r)
	case errors.Is(err, auth.ErrNotFound), errors.Is(err, auth.ErrExpired):
		e.invalid(w, r)
	case isProblem && refused.Status < http.StatusInternalServerError:
		e.invalid(w, r) // the address was changed or taken, or the account is gone
	default:
		e.Pages.Error(w, r, err)
	}
}

func (e *Endpoint) invalid(w http.ResponseWriter, r *http.Request) {
	e.Pages.Message(w, r, http.StatusGone, page.Message{
		Title: "Link no longer valid",
		Text:  "The link is incomplete or its time is over. Sign in to get a new one.",
		Link:  "/login", LinkText: "Sign in",
	})
}
