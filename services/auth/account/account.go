// Package account owns the page of who is signed in: what the system knows of
// the person, and the way out.
//
// Changing anything comes later; the profile is left to the user service,
// signing out to services/auth/logout.
package account

import (
	"context"
	"errors"
	"net/http"
	"time"

	"gatehouse.example/internal/api/userapi"
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
}

// Options configures [Handler].
type Options struct {
	Accounts Accounts
	Sessions Sessions
	Pages    *page.Renderer
}

// Handler answers GET.
func Handler(o Options) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, err := o.Sessions.Current(r)
		if errors.Is(err, auth.ErrNotFound) {
			page.Redirect(w, browser.WithReturnTo("/login", "/account"))
			return
		}
		if err != nil {
			o.Pages.Error(w, r, err)
			return
		}
		account, err := o.Accounts.AccountByID(r.Context(), session.UserID)
		if err != nil {
			o.Pages.Error(w, r, err)
			return
		}
		o.Pages.Render(w, r, page.View{Template: "account", Title: "Your account", LeadsAway: true, Data: struct {
			userapi.Account
			AuthTime string
		}{account, session.AuthTime.UTC().Format(time.RFC3339)}})
	})
}
