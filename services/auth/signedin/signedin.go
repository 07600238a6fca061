// Package signedin owns the way into the pages of the account: who is signed in
// in this browser, and that the person may still act.
//
// The session is left to services/auth/browser, what a page does to its package.
package signedin

import (
	"context"
	"errors"
	"net/http"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/problem"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/browser"
	"gatehouse.example/services/auth/page"
)

// Accounts finds accounts in the user service.
type Accounts interface {
	AccountByID(ctx context.Context, id string) (userapi.Account, error)
}

// Sessions tells who is signed in, or returns [auth.ErrNotFound].
type Sessions interface {
	Current(r *http.Request) (auth.Session, error)
	Forget(w http.ResponseWriter)
}

// Options configures [New].
type Options struct {
	Accounts Accounts
	Sessions Sessions
	Pages    *page.Renderer
}

// Gate lets who is signed in through to a page. It is safe for concurrent use.
type Gate struct{ Options }

// New returns a gate.
func New(o Options) *Gate { return &Gate{o} }

// Person is who asks for the page: an active account in a live session.
type Person struct {
	Session auth.Session
	Account userapi.Account
}

// Page returns the handler of a page that is for who is signed in; others go to
// sign in and come back. The request's context has the person as its principal,
// so that the audit log names it.
func (g *Gate) Page(show func(w http.ResponseWriter, r *http.Request, p Person)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		session, err := g.Sessions.Current(r)
		if errors.Is(err, auth.ErrNotFound) {
			page.Redirect(w, browser.WithReturnTo("/login", browser.ReturnTo(r.URL.Path)))
			return
		}
		if err != nil {
			g.Pages.Error(w, r, err)
			return
		}
		account, err := g.Accounts.AccountByID(r.Context(), session.UserID)
		gone := false
		if problem.HasStatus(err, http.StatusNotFound) {
			gone, err = true, nil
		}
		switch {
		case err != nil:
			g.Pages.Error(w, r, err)
		case gone || account.Status != userapi.StatusActive:
			g.Sessions.Forget(w)
			Refuse(g.Pages, w, r)
		default:
			show(w, r.WithContext(WithPerson(r.Context(), session)), Person{session, account})
		}
	}
}

// Refused is what a person is told whose account may not act.
const Refused = "This account cannot sign in. Ask your administrator."

// Refuse writes the page that says so.
func Refuse(pages *page.Renderer, w http.ResponseWriter, r *http.Request) {
	pages.Message(w, r, http.StatusForbidden, page.Message{Title: "Sign in", Text: Refused, Link: "/login", LinkText: "Back to sign-in"})
}

// WithPerson returns the context of work that the person of the session does.
func WithPerson(ctx context.Context, s auth.Session) context.Context {
	return identity.WithPrincipal(ctx, identity.Principal{Kind: identity.KindUser, Subject: s.UserID, SessionID: s.ID})
}
