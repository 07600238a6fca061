// Package verify owns the page behind a mailed link that proves an address: that
// of a new account, or the one that an account shall get. In the browser in
// which somebody registered, following the link that this registration asked for
// is enough. Every other GET only shows a button, because mail scanners follow
// links, and because a stranger can cause a mail to the same address; the
// button's POST meets the challenge, once. A link that lets an identity at a
// provider in always needs it, and its page says which.
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

// Browsers tells the browser whose registration asked for a challenge from
// others, and from programs that follow links.
type Browsers interface {
	HasRegistered(r *http.Request, challengeID string) (lately, same bool)
}

// Identities finds what meeting a challenge would link.
type Identities interface {
	// PendingIdentity returns the identity that waits for the challenge, or
	// [auth.ErrNotFound].
	PendingIdentity(ctx context.Context, challengeID string) (auth.PendingIdentity, error)
}

// Options configures [New].
type Options struct {
	Accounts   Accounts
	Challenges Challenges
	Identities Identities
	// DisplayName returns what people know a provider by.
	DisplayName func(provider string) string
	Links       *challenge.Links
	Pages       *page.Renderer
	Browsers    Browsers
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
// unless a registration in this browser asked for the challenge.
func (e *Endpoint) Show(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	id, code := query.Get("challenge"), query.Get("code")
	purpose, ok := e.purpose(id, code)
	switch {
	case !ok:
		e.invalid(w, r)
	case purpose == auth.PurposeChangeEmail:
		e.ask(w, r, question{Text: "Confirm that this shall be the address of your account from now on.", Button: "Confirm address", Challenge: id, Code: code})
	default:
		e.showRegistration(w, r, id, code)
	}
}

// showRegistration meets the challenge that this browser's registration asked
// for, and asks for a button for every other.
func (e *Endpoint) showRegistration(w http.ResponseWriter, r *http.Request, id, code string) {
	q := question{Text: "Confirm that you want to use this address to sign in.", Button: "Confirm address", Challenge: id, Code: code}
	waits, err := e.Identities.PendingIdentity(r.Context(), id)
	lately, same := e.Browsers.HasRegistered(r, id)
	switch {
	case err == nil:
		provider := e.DisplayName(waits.Provider)
		q.Text = "Confirm that you want to use this address to sign in, and link it to " + provider + "."
		q.Warning = "Do so only if you signed in through " + provider + " yourself: who did will be able to sign in here, and a password that was chosen before works no longer."
		q.Button = "Confirm address and link " + provider
	case !errors.Is(err, auth.ErrNotFound):
		e.Pages.Error(w, r, err)
		return
	case same && r.Method == http.MethodGet:
		e.meet(w, r, id, auth.PurposeVerifyEmail, true)
		return
	case lately:
		q.Warning = "This is not the link of your registration in this browser. Confirm only if it was you who asked for this mail as well: a password that was chosen with it becomes that of the account. If in doubt, wait a minute, register again, and follow the newer mail."
	}
	e.ask(w, r, q)
}

// question is what the page asks to confirm.
type question struct{ Text, Warning, Button, Challenge, Code string }

func (e *Endpoint) ask(w http.ResponseWriter, r *http.Request, q question) {
	e.Pages.Render(w, r, page.View{Template: "verify", Title: "Confirm your address", Data: q})
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
