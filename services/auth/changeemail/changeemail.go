// Package changeemail owns the page on which who is signed in asks for another
// address: the password is asked once more, a link goes to the new address and
// a notice to the old one.
//
// Nothing changes before the link is followed, which is left to
// services/auth/verify. Who asks does not learn whether an address has an
// account: its owner gets a mail of its own.
package changeemail

import (
	"context"
	"errors"
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
	"gatehouse.example/services/auth/proof"
	"gatehouse.example/services/auth/signedin"
	"gatehouse.example/services/auth/throttle"
)

// Accounts finds accounts in the user service.
type Accounts interface {
	AccountByLogin(ctx context.Context, login string) (userapi.Account, error)
}

// Challenges stores the links.
type Challenges interface {
	// RequestEmailChange stores the challenge, announces it and tells the old
	// address, unless there were too many mails lately. One that is consumed
	// already is not announced.
	RequestEmailChange(ctx context.Context, c auth.Challenge, address string, limit auth.MailLimit) (sent bool, err error)
	RequestChallenge(ctx context.Context, c auth.Challenge, first *auth.Credential, limit auth.MailLimit) (sent bool, err error)
}

// Options configures [New].
type Options struct {
	Accounts   Accounts
	Challenges Challenges
	Proof      *proof.Checker
	Pages      *page.Renderer
	// Lifetime is how long a mailed link is good. Zero: a day.
	Lifetime time.Duration
	// Locale returns the language that a browser asks for.
	Locale func(r *http.Request) string
	// Now is the clock. nil: time.Now.
	Now func() time.Time
}

// Endpoint is the page. It is safe for concurrent use.
type Endpoint struct{ Options }

// New returns the endpoint.
func New(o Options) *Endpoint {
	if o.Lifetime <= 0 {
		o.Lifetime = 24 * time.Hour
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Endpoint{o}
}

type view struct {
	Current, Email string
	NoPassword     bool
	Errors         map[string]string
}

// Show answers GET.
func (e *Endpoint) Show(w http.ResponseWriter, r *http.Request, p signedin.Person) {
	has, err := e.Proof.HasPassword(r.Context(), p.Account.ID)
	if err != nil {
		e.Pages.Error(w, r, err)
		return
	}
	e.form(w, r, http.StatusOK, view{Current: p.Account.Email, NoPassword: !has})
}

func (e *Endpoint) form(w http.ResponseWriter, r *http.Request, status int, v view) {
	e.Pages.Render(w, r, page.View{Template: "account_email", Title: "Change email address", Status: status, Data: v})
}

// Submit answers POST with the fields email and password.
func (e *Endpoint) Submit(w http.ResponseWriter, r *http.Request, p signedin.Person) {
	form, err := oauth.ParseForm(w, r)
	if err != nil {
		e.Pages.Unreadable(w, r, "Change email address", "/account/email")
		return
	}
	v := view{Current: p.Account.Email, Email: strings.TrimSpace(form.Get("email")), Errors: map[string]string{}}
	if !auth.ValidEmail(v.Email) {
		v.Errors["email"] = "Enter an email address such as name@example.com."
	} else if v.Email == p.Account.Email {
		v.Errors["email"] = "This is your address already."
	}
	if !form.Has("password") {
		v.Errors["password"] = "Enter your current password."
	}
	if len(v.Errors) > 0 {
		e.form(w, r, http.StatusUnprocessableEntity, v)
		return
	}
	_, err = e.Proof.Check(r.Context(), p.Account, form.Get("password"), browser.ClientAddress(r))
	if err == nil {
		err = e.request(r, p.Account, v.Email)
	}
	e.answer(w, r, v, err)
}

func (e *Endpoint) answer(w http.ResponseWriter, r *http.Request, v view, err error) {
	switch paused, isPaused := errors.AsType[*proof.PausedError](err); {
	case err == nil:
		e.Pages.Message(w, r, http.StatusOK, page.Message{
			Title: "Check your mail",
			Text:  "We sent a mail to " + v.Email + ". Follow the link in it to finish. Until then your address stays as it is.",
			Link:  "/account", LinkText: "Your account",
		})
	case errors.Is(err, proof.ErrNoPassword):
		v.NoPassword = true
		e.form(w, r, http.StatusConflict, v)
	case errors.Is(err, proof.ErrWrong):
		v.Errors["password"] = "The password is wrong."
		e.form(w, r, http.StatusForbidden, v)
	case isPaused:
		v.Errors["form"] = paused.Tell(w)
		e.form(w, r, http.StatusTooManyRequests, v)
	default:
		e.Pages.Error(w, r, err)
	}
}

// request asks for the mails. An address of somebody else does everything that
// another does, but the mail says something else and nothing comes of it.
func (e *Endpoint) request(r *http.Request, account userapi.Account, email string) error {
	ctx := r.Context()
	defer throttle.Even(ctx)()
	owner, err := e.Accounts.AccountByLogin(ctx, email)
	taken := err == nil && owner.ID != account.ID
	if err != nil && !problem.HasStatus(err, http.StatusNotFound) {
		return err
	}
	c, err := challenge.New(auth.PurposeChangeEmail, account, e.Locale(r), e.Now(), e.Lifetime)
	if err != nil {
		return err
	}
	c.Email, c.OldEmail = email, account.Email
	if taken {
		c.ConsumedAt = &c.CreatedAt
	}
	sent, err := e.Challenges.RequestEmailChange(ctx, c, browser.ClientAddress(r), auth.DefaultMailLimit())
	if err != nil || !sent || !taken {
		return err
	}
	notice, err := challenge.New(auth.PurposeExistingAccount, owner, c.Locale, e.Now(), e.Lifetime)
	if err != nil {
		return err
	}
	_, err = e.Challenges.RequestChallenge(ctx, notice, nil, auth.DefaultMailLimit())
	return err
}
