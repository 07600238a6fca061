package reset

import (
	"context"
	"errors"
	"net/http"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/problem"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/browser"
	"gatehouse.example/services/auth/page"
	"gatehouse.example/services/auth/password"
	"gatehouse.example/services/auth/signedin"
)

// pending returns the challenge behind a link, if it can still be met.
func (e *Endpoint) pending(ctx context.Context, id, code string) (auth.Challenge, error) {
	if !e.Links.Check(auth.PurposeResetPassword, id, code) {
		return auth.Challenge{}, auth.ErrNotFound
	}
	c, err := e.Challenges.Challenge(ctx, id)
	if err == nil {
		err = c.Pending(e.Now())
	}
	return c, err
}

// choose writes the form for the new password.
func (e *Endpoint) choose(w http.ResponseWriter, r *http.Request, status int, id, code, complaint string) {
	c, err := e.pending(r.Context(), id, code)
	if err != nil {
		e.fail(w, r, err)
		return
	}
	e.Pages.Render(w, r, page.View{Template: "reset_password", Title: "Choose a new password", Status: status,
		Data: struct{ Email, Challenge, Code, Error string }{c.Email, id, code, complaint}})
}

// set sets the password, once for each link.
func (e *Endpoint) set(w http.ResponseWriter, r *http.Request, id, code, plain string) {
	ctx := r.Context()
	c, err := e.pending(ctx, id, code)
	if err != nil {
		e.fail(w, r, err)
		return
	}
	account, err := e.Accounts.AccountByID(ctx, c.UserID)
	if err != nil {
		e.fail(w, r, err)
		return
	}
	if complaint := password.Complaint(plain, account.Email, account.Username); complaint != "" {
		e.choose(w, r, http.StatusUnprocessableEntity, id, code, complaint)
		return
	}
	// Only who has a good link gets here, so that a stranger causes no hash.
	phc, err := e.Hasher.Hash(ctx, plain)
	if err != nil {
		e.Pages.Error(w, r, err)
		return
	}
	met, err := e.Passwords.ResetPassword(ctx, auth.PasswordReset{ChallengeID: id, NewHash: phc, Address: browser.ClientAddress(r), Now: e.Now()}, e.prove)
	if err != nil {
		e.fail(w, r, err)
		return
	}
	e.Pages.Message(w, r, http.StatusOK, page.Message{
		Title: "Password changed",
		Text: "You are signed out everywhere and your API keys have ended. Sign in with your new password. " +
			"Accounts at other providers that sign you in still do: review your sign-in methods, and unlink what is not yours.",
		Link: browser.WithReturnTo("/login", met.ReturnTo), LinkText: "Sign in",
		More: []page.Choice{{Label: "Sign in and review your sign-in methods", Link: browser.WithReturnTo("/login", "/account")}},
	})
}

var errNotActive = errors.New("the account may not act")

// prove records that the person reads the mail of the account's address, which
// makes a pending account active. It refuses an address that the account no
// longer has, and an account that stays suspended.
func (e *Endpoint) prove(ctx context.Context, c auth.Challenge) error {
	account, err := e.Accounts.VerifyEmail(ctx, c.UserID, c.Email)
	if err == nil && account.Status != userapi.StatusActive {
		err = errNotActive
	}
	return err
}

func (e *Endpoint) fail(w http.ResponseWriter, r *http.Request, err error) {
	refused, isProblem := errors.AsType[*problem.Problem](err)
	switch {
	case errors.Is(err, errNotActive):
		signedin.Refuse(e.Pages, w, r)
	case errors.Is(err, auth.ErrConsumed):
		e.Pages.Message(w, r, http.StatusGone, page.Message{
			Title: "Link used already", Text: "This link works once, and only the one in the newest mail.", Link: "/reset", LinkText: "Ask for another mail",
		})
	case errors.Is(err, auth.ErrNotFound), errors.Is(err, auth.ErrExpired), isProblem && refused.Status < http.StatusInternalServerError:
		// Of a problem: the address was changed, or the account is gone.
		e.Pages.Message(w, r, http.StatusGone, page.Message{
			Title: "Link no longer valid", Text: "The link is incomplete or its time is over.", Link: "/reset", LinkText: "Ask for another mail",
		})
	default:
		e.Pages.Error(w, r, err)
	}
}
