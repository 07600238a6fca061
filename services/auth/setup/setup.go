// Package setup owns the page behind the one-time link that makes the first
// administrator.
//
// Who gets the link is left to services/auth/app and the command line; further
// administrators are made by the user service's roles.
package setup

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/problem"
	"gatehouse.example/internal/rbac"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/browser"
	"gatehouse.example/services/auth/oauth"
	"gatehouse.example/services/auth/opaque"
	"gatehouse.example/services/auth/page"
	"gatehouse.example/services/auth/password"
	"gatehouse.example/services/auth/register"
)

// Accounts creates accounts in the user service.
type Accounts interface {
	CreateAccount(ctx context.Context, n userapi.NewAccount) (userapi.Account, error)
}

// Links stores set-up links.
type Links interface {
	// SetupLinkPending returns nil, or [auth.ErrNotFound] for a link that does
	// not exist, was used, or has expired.
	SetupLinkPending(ctx context.Context, tokenHash []byte, now time.Time) error
	// UseSetupLink consumes the link by one statement, calls create before that
	// is durable, and stores the credential; an error of create leaves the link
	// as it was. Otherwise [auth.ErrNotFound].
	UseSetupLink(ctx context.Context, tokenHash []byte, passwordHash string, now time.Time, create func(ctx context.Context, userID string) error) (userID string, err error)
}

// Sessions starts sessions.
type Sessions interface {
	SignIn(w http.ResponseWriter, r *http.Request, userID, method string) (auth.Session, error)
}

// Options configures [New].
type Options struct {
	Accounts Accounts
	Links    Links
	Sessions Sessions
	Hasher   *password.Hasher
	Pages    *page.Renderer
	// Now is the clock. nil: time.Now.
	Now func() time.Time
}

// Endpoint is the set-up page. It is safe for concurrent use.
type Endpoint struct{ Options }

// New returns the endpoint.
func New(o Options) *Endpoint {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Endpoint{o}
}

type view struct {
	Token, Email, Username string
	Errors                 map[string]string
}

// Show answers GET with the parameter token.
func (e *Endpoint) Show(w http.ResponseWriter, r *http.Request) {
	token := r.URL.Query().Get("token")
	err := e.Links.SetupLinkPending(r.Context(), opaque.Hash(token), e.Now())
	switch {
	case errors.Is(err, auth.ErrNotFound):
		e.invalid(w, r)
	case err != nil:
		e.Pages.Error(w, r, err)
	default:
		e.form(w, r, http.StatusOK, view{Token: token})
	}
}

func (e *Endpoint) form(w http.ResponseWriter, r *http.Request, status int, v view) {
	e.Pages.Render(w, r, page.View{Template: "setup", Title: "Set up Gatehouse", Status: status, Data: v})
}

func (e *Endpoint) invalid(w http.ResponseWriter, r *http.Request) {
	e.Pages.Message(w, r, http.StatusGone, page.Message{
		Title: "Link no longer valid", Text: "A set-up link works once and for a limited time. Ask who runs this installation for a new one.",
		Link: "/login", LinkText: "Sign in",
	})
}

// Submit answers POST with the fields token, email, username and password.
func (e *Endpoint) Submit(w http.ResponseWriter, r *http.Request) {
	form, err := oauth.ParseForm(w, r)
	if err != nil {
		e.invalid(w, r)
		return
	}
	v := view{Token: form.Get("token"), Email: strings.TrimSpace(form.Get("email")), Username: strings.TrimSpace(form.Get("username"))}
	tokenHash := opaque.Hash(v.Token)
	// Before the expensive hash: only who has the link may cause one.
	if err := e.Links.SetupLinkPending(r.Context(), tokenHash, e.Now()); err != nil {
		e.fail(w, r, v, err)
		return
	}
	if v.Errors = register.CheckForm(v.Email, v.Username, form.Get("password")); len(v.Errors) > 0 {
		e.form(w, r, http.StatusUnprocessableEntity, v)
		return
	}
	phc, err := e.Hasher.Hash(r.Context(), form.Get("password"))
	if err != nil {
		e.Pages.Error(w, r, err)
		return
	}
	userID, err := e.Links.UseSetupLink(r.Context(), tokenHash, phc, e.Now(), func(ctx context.Context, userID string) error {
		_, err := e.Accounts.CreateAccount(ctx, userapi.NewAccount{
			ID: userID, Email: v.Email, Username: v.Username, Locale: register.Locale(r), Roles: []string{rbac.RoleAdmin},
			EmailVerified: true, Status: userapi.StatusActive,
		})
		return err
	})
	if err != nil {
		e.fail(w, r, v, err)
		return
	}
	if _, err := e.Sessions.SignIn(w, r, userID, browser.MethodPassword); err != nil {
		e.Pages.Error(w, r, err)
		return
	}
	page.Redirect(w, "/account")
}

func (e *Endpoint) fail(w http.ResponseWriter, r *http.Request, v view, err error) {
	refused, isProblem := errors.AsType[*problem.Problem](err)
	switch {
	case errors.Is(err, auth.ErrNotFound):
		e.invalid(w, r)
	case isProblem && refused.Status < http.StatusInternalServerError:
		v.Errors = register.FieldErrors(refused)
		e.form(w, r, http.StatusUnprocessableEntity, v)
	default:
		e.Pages.Error(w, r, err)
	}
}

// Inviter stores new set-up links.
type Inviter interface {
	// AddSetupLink stores the link and removes unused ones before it, unless an
	// administrator was made by a link already; added tells which.
	AddSetupLink(ctx context.Context, l auth.SetupLink) (added bool, err error)
}

// NewLink makes a link to the set-up page, or returns "" when a first
// administrator was made already.
func NewLink(ctx context.Context, store Inviter, issuer string, lifetime time.Duration, now time.Time) (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("make set-up link: %w", err)
	}
	userID, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("make set-up link: %w", err)
	}
	token := opaque.New()
	added, err := store.AddSetupLink(ctx, auth.SetupLink{
		ID: id.String(), UserID: userID.String(), TokenHash: opaque.Hash(token), CreatedAt: now, ExpiresAt: now.Add(lifetime),
	})
	if err != nil || !added {
		return "", err
	}
	return issuer + "/setup?" + url.Values{"token": {token}}.Encode(), nil
}
