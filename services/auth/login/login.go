// Package login owns the sign-in page: it checks address or username and
// password, at a bounded rate, and starts the session.
//
// The answer and, within noise, its time are the same whether an account
// exists or not. Sessions are left to services/auth/browser, pauses between
// attempts to services/auth/throttle, further factors to later packages.
package login

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/problem"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/browser"
	"gatehouse.example/services/auth/challenge"
	"gatehouse.example/services/auth/oauth"
	"gatehouse.example/services/auth/page"
	"gatehouse.example/services/auth/password"
	"gatehouse.example/services/auth/signedin"
	"gatehouse.example/services/auth/throttle"
)

// Accounts finds accounts in the user service.
type Accounts interface {
	AccountByLogin(ctx context.Context, login string) (userapi.Account, error)
}

// Credentials finds and replaces credentials.
type Credentials interface {
	// Credential returns the user's credential, or [auth.ErrNotFound].
	Credential(ctx context.Context, userID string) (auth.Credential, error)
	// RenewHash replaces the hash old of the same password by that of c, or
	// returns [auth.ErrConsumed] if old is not the current one any more.
	RenewHash(ctx context.Context, c auth.Credential, old string) error
}

// Mailer asks for a mail with a link.
type Mailer interface {
	// RequestChallenge stores the challenge and announces it, unless the person
	// got too many mails lately.
	RequestChallenge(ctx context.Context, c auth.Challenge, first *auth.Credential, limit auth.MailLimit) (sent bool, err error)
}

// Guard bounds the rate of attempts.
type Guard interface {
	Attempt(ctx context.Context, login, address string) (wait time.Duration, err error)
	Succeeded(ctx context.Context, login, address string) error
}

// Log keeps records of sign-ins that failed.
type Log interface {
	Record(ctx context.Context, r audit.Record) error
}

// Sessions starts sessions.
type Sessions interface {
	// SignInByPassword returns [auth.ErrRevoked] if the credential is not the
	// person's any more.
	SignInByPassword(w http.ResponseWriter, r *http.Request, c auth.Credential) (auth.Session, error)
}

// Options configures [New].
type Options struct {
	Accounts    Accounts
	Credentials Credentials
	Mailer      Mailer
	Guard       Guard
	Sessions    Sessions
	Log         Log
	Hasher      *password.Hasher
	Pages       *page.Renderer
	// VerificationLifetime is how long a mailed link is good. Zero: a day.
	VerificationLifetime time.Duration
	// AllowRegistration shows the way to the registration page.
	AllowRegistration bool
	// Choices are the other ways to sign in, each leading on to returnTo. nil:
	// there is none.
	Choices func(returnTo string) []page.Choice
	Logger  *slog.Logger
	// Now is the clock. nil: time.Now.
	Now func() time.Time
}

// Endpoint is the sign-in page. It is safe for concurrent use.
type Endpoint struct{ Options }

// New returns the endpoint.
func New(o Options) *Endpoint {
	if o.VerificationLifetime <= 0 {
		o.VerificationLifetime = 24 * time.Hour
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Endpoint{o}
}

type view struct {
	Login, ReturnTo, RegisterLink, ResetLink, Error string
	Choices                                         []page.Choice
}

// Show answers GET: the form, also for who is signed in already, because a
// client may have asked for a new sign-in.
func (e *Endpoint) Show(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	e.form(w, r, http.StatusOK, view{
		Login:    strings.ToValidUTF8(query.Get("login_hint"), ""),
		ReturnTo: browser.ReturnTo(query.Get("return_to")),
	})
}

func (e *Endpoint) form(w http.ResponseWriter, r *http.Request, status int, v view) {
	if e.AllowRegistration {
		v.RegisterLink = browser.WithReturnTo("/register", v.ReturnTo)
	}
	if e.Choices != nil {
		v.Choices = e.Choices(v.ReturnTo)
	}
	v.ResetLink = browser.WithReturnTo("/reset", v.ReturnTo)
	e.Pages.Render(w, r, page.View{Template: "login", Title: "Sign in", Status: status, LeadsAway: true, Data: v})
}

// Submit answers POST with the fields login, password and return_to.
func (e *Endpoint) Submit(w http.ResponseWriter, r *http.Request) {
	form, err := oauth.ParseForm(w, r)
	if err != nil {
		e.Pages.Unreadable(w, r, "Sign in", "/login")
		return
	}
	v := view{Login: strings.TrimSpace(form.Get("login")), ReturnTo: browser.ReturnTo(form.Get("return_to"))}
	if v.Login == "" || !form.Has("password") || len(v.Login) > 320 {
		v.Error = "Enter your email or username and your password."
		e.form(w, r, http.StatusUnprocessableEntity, v)
		return
	}
	address := browser.ClientAddress(r)
	wait, err := e.Guard.Attempt(r.Context(), v.Login, address)
	if err != nil {
		e.Pages.Error(w, r, err)
		return
	}
	if wait > 0 {
		v.Error = throttle.Tell(w, wait)
		e.form(w, r, http.StatusTooManyRequests, v)
		return
	}
	account, credential, err := e.check(r.Context(), v.Login, form.Get("password"))
	switch {
	case errors.Is(err, errWrong):
		if err := e.failed(r.Context(), account.ID, "credentials"); err != nil {
			e.Pages.Error(w, r, err)
			return
		}
		e.wrong(w, r, v)
	case err != nil:
		e.Pages.Error(w, r, err)
	default:
		if err := e.Guard.Succeeded(r.Context(), v.Login, address); err != nil {
			e.Pages.Error(w, r, err)
			return
		}
		e.enter(w, r, account, credential, v)
	}
}

var errWrong = errors.New("unknown account or wrong password")

// check returns the account and the credential that the password belongs to, or
// errWrong after the same work for every reason; of an unknown account the id
// is "".
func (e *Endpoint) check(ctx context.Context, login, plain string) (userapi.Account, auth.Credential, error) {
	account, err := e.Accounts.AccountByLogin(ctx, login)
	if problem.HasStatus(err, http.StatusNotFound) {
		account, err = userapi.Account{}, nil
	}
	if err != nil {
		return account, auth.Credential{}, err
	}
	id := account.ID
	if id == "" {
		id = uuid.NewString() // a lookup that finds nothing takes the place of the real one
	}
	credential, err := e.Credentials.Credential(ctx, id)
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		return account, credential, err
	}
	if len(plain) > 4*password.MaxLength {
		plain = "" // longer than any password that could have been chosen
	}
	ok, err := e.Hasher.Verify(ctx, credential.PasswordHash, plain)
	if err != nil {
		return account, credential, err
	}
	if !ok {
		return account, credential, errWrong
	}
	return account, e.renew(ctx, credential, plain), nil
}

// renew hashes the password again if today's parameters differ, and returns the
// credential as it is stored then. The sign-in does not depend on it.
func (e *Endpoint) renew(ctx context.Context, c auth.Credential, plain string) auth.Credential {
	if !e.Hasher.Stale(c.PasswordHash) {
		return c
	}
	phc, err := e.Hasher.Hash(ctx, plain)
	renewed := auth.Credential{UserID: c.UserID, PasswordHash: phc, UpdatedAt: e.Now()}
	if err == nil {
		err = e.Credentials.RenewHash(ctx, renewed, c.PasswordHash)
	}
	if err != nil {
		e.Logger.WarnContext(ctx, "renew password hash", slog.String("user_id", c.UserID), slog.Any("error", err))
		return c
	}
	return renewed
}

// failed records that somebody did not get in: to which account, if there is
// one, and never what was typed, which may be a password in the wrong field.
func (e *Endpoint) failed(ctx context.Context, userID, reason string) error {
	kind := ""
	if userID != "" {
		kind = "user"
	}
	r, err := audit.New(ctx, "auth", "session.sign_in_failed", kind, userID, e.Now())
	if err != nil {
		return err
	}
	r.Outcome = audit.Failure
	return e.Log.Record(ctx, r.With("method", browser.MethodPassword).With("reason", reason))
}

func (e *Endpoint) wrong(w http.ResponseWriter, r *http.Request, v view) {
	v.Error = "The email, username or password is wrong."
	// RFC 9110 §15.5.2 wants a scheme; browsers show no dialogue for this one.
	w.Header().Set("WWW-Authenticate", `Form realm="gatehouse"`)
	e.form(w, r, http.StatusUnauthorized, v)
}

// enter lets an account in whose password was right.
func (e *Endpoint) enter(w http.ResponseWriter, r *http.Request, account userapi.Account, c auth.Credential, v view) {
	refused := ""
	switch {
	case account.Status == userapi.StatusPending || (account.Status == userapi.StatusActive && !account.EmailVerified):
		refused = "not_verified"
	case account.Status != userapi.StatusActive:
		refused = "not_active"
	}
	if refused != "" {
		if err := e.failed(r.Context(), account.ID, refused); err != nil {
			e.Pages.Error(w, r, err)
			return
		}
	}
	switch refused {
	case "not_verified":
		e.remind(w, r, account, v)
	case "not_active":
		v.Error = signedin.Refused
		e.form(w, r, http.StatusForbidden, v)
	default:
		_, err := e.Sessions.SignInByPassword(w, r, c)
		if errors.Is(err, auth.ErrRevoked) {
			e.wrong(w, r, v) // changed while the sign-in was under way
			return
		}
		if err != nil {
			e.Pages.Error(w, r, err)
			return
		}
		target := v.ReturnTo
		if target == "" {
			target = "/account"
		}
		page.Redirect(w, target)
	}
}

// remind sends the verification mail again.
func (e *Endpoint) remind(w http.ResponseWriter, r *http.Request, account userapi.Account, v view) {
	c, err := challenge.New(auth.PurposeVerifyEmail, account, "", e.Now(), e.VerificationLifetime)
	if err == nil {
		c.ReturnTo = v.ReturnTo
		_, err = e.Mailer.RequestChallenge(r.Context(), c, nil, auth.DefaultMailLimit())
	}
	if err != nil {
		e.Pages.Error(w, r, err)
		return
	}
	e.Pages.Message(w, r, http.StatusForbidden, page.Message{
		Title: "Check your mail",
		Text:  "Your address is not confirmed yet. Follow the link in the mail that we sent you, then sign in.",
		Link:  browser.WithReturnTo("/login", v.ReturnTo), LinkText: "Back to sign-in",
	})
}
