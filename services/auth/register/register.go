// Package register owns the registration page: it makes the account's id, asks
// the user service for the account, and stores the credential together with
// the request for the verification mail.
//
// A known address gets the same answer as a new one; only the mail differs. The
// link in the mail is left to services/auth/challenge and verify.
package register

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/text/language"

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

// Accounts creates and finds accounts in the user service.
type Accounts interface {
	CreateAccount(ctx context.Context, n userapi.NewAccount) (userapi.Account, error)
	AccountByLogin(ctx context.Context, login string) (userapi.Account, error)
}

// Mailer asks for a mail with a link.
type Mailer interface {
	// RequestChallenge stores the credential if there is one, and the challenge
	// and its event unless the person got too many mails lately, all at once.
	RequestChallenge(ctx context.Context, c auth.Challenge, first *auth.Credential, limit auth.MailLimit) (sent bool, err error)
}

// Options configures [New].
type Options struct {
	Accounts Accounts
	Mailer   Mailer
	Guard    Guard
	Hasher   *password.Hasher
	Pages    *page.Renderer
	// Browsers remembers the registration in the browser, so that the link of
	// its own mail needs no further click there.
	Browsers Browsers
	// Allowed opens the page; without it only administrators make accounts.
	Allowed bool
	// Choices are the ways to register through a provider, each leading on to
	// returnTo. nil: there is none.
	Choices func(returnTo string) []page.Choice
	// VerificationLifetime is how long a mailed link is good. Zero: a day.
	VerificationLifetime time.Duration
	// Now is the clock. nil: time.Now.
	Now func() time.Time
}

// Guard bounds how many mails somebody can cause.
type Guard interface {
	// Attempt counts, and returns how long to wait instead, zero to go on.
	Attempt(ctx context.Context, login, address string) (wait time.Duration, err error)
}

// Browsers remembers in which browser which challenge was asked for.
type Browsers interface {
	Registered(w http.ResponseWriter, r *http.Request, challengeID string, lifetime time.Duration)
}

// Endpoint is the registration page. It is safe for concurrent use.
type Endpoint struct{ Options }

// New returns the endpoint.
func New(o Options) *Endpoint {
	if o.VerificationLifetime <= 0 {
		o.VerificationLifetime = 24 * time.Hour
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Endpoint{o}
}

// application is what the form says, and what is wrong with it.
type application struct {
	Email, Username, ReturnTo, LoginLink string
	// Error is about the whole, Errors about single fields.
	Error   string
	Errors  map[string]string
	Choices []page.Choice

	password, locale string
	// challengeID is that of the mail, made before anything is looked up: the
	// time in it must not tell how long that took.
	challengeID string
}

// Show answers GET.
func (e *Endpoint) Show(w http.ResponseWriter, r *http.Request) {
	if !e.open(w, r) {
		return
	}
	e.form(w, r, http.StatusOK, application{ReturnTo: browser.ReturnTo(r.URL.Query().Get("return_to"))})
}

func (e *Endpoint) open(w http.ResponseWriter, r *http.Request) bool {
	if !e.Allowed {
		e.Pages.Message(w, r, http.StatusForbidden, page.Message{Title: "Registration is closed", Text: "Ask your administrator for an account.", Link: "/login", LinkText: "Sign in"})
	}
	return e.Allowed
}

func (e *Endpoint) form(w http.ResponseWriter, r *http.Request, status int, a application) {
	if e.Choices != nil {
		a.Choices = e.Choices(a.ReturnTo)
	}
	a.LoginLink = browser.WithReturnTo("/login", a.ReturnTo)
	e.Pages.Render(w, r, page.View{Template: "register", Title: "Create an account", Status: status, Data: a})
}

// Submit answers POST with the fields email, username, password and return_to.
func (e *Endpoint) Submit(w http.ResponseWriter, r *http.Request) {
	if !e.open(w, r) {
		return
	}
	form, err := oauth.ParseForm(w, r)
	if err != nil {
		e.Pages.Unreadable(w, r, "Create an account", "/register")
		return
	}
	challengeID, err := uuid.NewV7()
	if err != nil {
		e.Pages.Error(w, r, err)
		return
	}
	a := application{
		challengeID: challengeID.String(),
		Email:       strings.TrimSpace(form.Get("email")), Username: strings.TrimSpace(form.Get("username")), password: form.Get("password"),
		ReturnTo: browser.ReturnTo(form.Get("return_to")), locale: Locale(r),
	}
	a.Errors = CheckForm(a.Email, a.Username, a.password)
	if len(a.Errors) > 0 {
		e.form(w, r, http.StatusUnprocessableEntity, a)
		return
	}
	// Counted whether the address is known or not.
	wait, err := e.Guard.Attempt(r.Context(), a.Email, browser.ClientAddress(r))
	if err == nil && wait > 0 {
		a.Error = throttle.Tell(w, wait)
		e.form(w, r, http.StatusTooManyRequests, a)
		return
	}
	if err == nil {
		a.Errors, err = e.register(r.Context(), a)
	}
	switch {
	case err != nil:
		e.Pages.Error(w, r, err)
	case len(a.Errors) > 0:
		e.form(w, r, http.StatusUnprocessableEntity, a)
	default:
		e.Browsers.Registered(w, r, a.challengeID, e.VerificationLifetime)
		e.Pages.Message(w, r, http.StatusOK, page.Message{
			Title: "Check your mail",
			Text:  "We sent a mail to " + a.Email + ". Follow the link in it to finish.",
			Link:  a.LoginLink, LinkText: "Sign in",
		})
	}
}

// register returns what is wrong with single fields, or what went wrong.
func (e *Endpoint) register(ctx context.Context, a application) (map[string]string, error) {
	// Usernames are public, addresses are not: asking for the username first
	// keeps a taken name from telling whether the address is known.
	if a.Username != "" {
		_, err := e.Accounts.AccountByLogin(ctx, a.Username)
		if err == nil {
			return map[string]string{"username": "This username is taken."}, nil
		}
		if !problem.HasStatus(err, http.StatusNotFound) {
			return nil, err
		}
	}
	phc, err := e.Hasher.Hash(ctx, a.password)
	if err != nil {
		return nil, err
	}
	// From here on it takes longer to make an account than to find a known one.
	defer throttle.Even(ctx)()
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	account, err := e.Accounts.CreateAccount(ctx, userapi.NewAccount{
		ID: id.String(), Email: a.Email, Username: a.Username, Locale: a.locale, Status: userapi.StatusPending,
	})
	refused, isProblem := errors.AsType[*problem.Problem](err)
	switch {
	case err == nil:
		return nil, e.mail(ctx, account, auth.PurposeVerifyEmail, phc, a, &auth.Credential{UserID: account.ID, PasswordHash: phc, UpdatedAt: e.Now()})
	case isProblem && refused.Code == userapi.CodeEmailTaken:
		return nil, e.known(ctx, a, phc)
	case isProblem && refused.Status < http.StatusInternalServerError:
		return FieldErrors(refused), nil
	}
	return nil, err
}

// known writes to the owner of an address that is registered already. Who
// registered it but never read its mail has no claim to it: the new password
// takes the place of the old one if this mail's link is followed.
func (e *Endpoint) known(ctx context.Context, a application, phc string) error {
	account, err := e.Accounts.AccountByLogin(ctx, a.Email)
	if problem.HasStatus(err, http.StatusNotFound) {
		return nil // deleted in between; there is nobody to write to
	}
	if err != nil {
		return err
	}
	if account.Status == userapi.StatusPending {
		return e.mail(ctx, account, auth.PurposeVerifyEmail, phc, a, nil)
	}
	return e.mail(ctx, account, auth.PurposeExistingAccount, "", a, nil)
}

func (e *Endpoint) mail(ctx context.Context, account userapi.Account, purpose auth.Purpose, phc string, a application, first *auth.Credential) error {
	c, err := challenge.New(purpose, account, a.locale, e.Now(), e.VerificationLifetime)
	if err != nil {
		return err
	}
	c.ID, c.PasswordHash, c.ReturnTo = a.challengeID, phc, a.ReturnTo
	_, err = e.Mailer.RequestChallenge(ctx, c, first, auth.DefaultMailLimit())
	return err
}

// CheckForm says what is wrong with the fields, before anybody else is asked.
func CheckForm(email, username, plain string) map[string]string {
	wrong := map[string]string{}
	if !auth.ValidEmail(email) {
		wrong["email"] = "Enter an email address such as name@example.com."
	}
	// A username with "@" could be somebody else's address at sign-in.
	if strings.Contains(username, "@") || len(username) > 64 {
		wrong["username"] = "Use at most 64 characters and no @."
	}
	if complaint := password.Complaint(plain, email, username); complaint != "" {
		wrong["password"] = complaint
	}
	return wrong
}

// FieldErrors turns the user service's refusal into messages beside the fields.
func FieldErrors(p *problem.Problem) map[string]string {
	wrong := map[string]string{}
	switch p.Code {
	case userapi.CodeUsernameTaken:
		wrong["username"] = "This username is taken."
	case userapi.CodeEmailTaken:
		wrong["email"] = "This address has an account already."
	}
	for _, v := range p.Errors {
		switch field := strings.TrimPrefix(v.Pointer, "/"); field {
		case "email", "username":
			wrong[field] = v.Detail
		}
	}
	if len(wrong) == 0 {
		wrong["email"] = "This address or username cannot be used."
	}
	return wrong
}

// Locale returns the first language that the browser asks for, or "en".
func Locale(r *http.Request) string {
	tags, _, err := language.ParseAcceptLanguage(r.Header.Get("Accept-Language"))
	if err != nil || len(tags) == 0 || tags[0] == language.Und {
		return "en"
	}
	return tags[0].String()
}
