// Package changepassword owns the page on which who is signed in and knows the
// password chooses another one.
//
// Who has lost it goes to services/auth/reset; what ends with the old password
// is left to the store.
package changepassword

import (
	"context"
	"errors"
	"net/http"
	"time"

	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/browser"
	"gatehouse.example/services/auth/oauth"
	"gatehouse.example/services/auth/page"
	"gatehouse.example/services/auth/password"
	"gatehouse.example/services/auth/proof"
	"gatehouse.example/services/auth/signedin"
)

// Passwords replaces passwords.
type Passwords interface {
	// ChangePassword sets the new password and ends the other sessions, or
	// returns [auth.ErrConsumed] if the old one is not the current one any more.
	ChangePassword(ctx context.Context, c auth.PasswordChange) error
}

// Options configures [New].
type Options struct {
	Proof     *proof.Checker
	Passwords Passwords
	Hasher    *password.Hasher
	Pages     *page.Renderer
	// Now is the clock. nil: time.Now.
	Now func() time.Time
}

// Endpoint is the page. It is safe for concurrent use.
type Endpoint struct{ Options }

// New returns the endpoint.
func New(o Options) *Endpoint {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Endpoint{o}
}

type view struct {
	Login      string
	NoPassword bool
	Errors     map[string]string
}

// Show answers GET.
func (e *Endpoint) Show(w http.ResponseWriter, r *http.Request, p signedin.Person) {
	has, err := e.Proof.HasPassword(r.Context(), p.Account.ID)
	if err != nil {
		e.Pages.Error(w, r, err)
		return
	}
	e.form(w, r, http.StatusOK, view{Login: p.Account.Email, NoPassword: !has})
}

func (e *Endpoint) form(w http.ResponseWriter, r *http.Request, status int, v view) {
	e.Pages.Render(w, r, page.View{Template: "account_password", Title: "Change password", Status: status, Data: v})
}

// Submit answers POST with the fields current and password.
func (e *Endpoint) Submit(w http.ResponseWriter, r *http.Request, p signedin.Person) {
	form, err := oauth.ParseForm(w, r)
	if err != nil {
		e.Pages.Unreadable(w, r, "Change password", "/account/password")
		return
	}
	v := view{Login: p.Account.Email, Errors: map[string]string{}}
	plain := form.Get("password")
	if !form.Has("current") {
		v.Errors["current"] = "Enter your current password."
	}
	if complaint := password.Complaint(plain, p.Account.Email, p.Account.Username); complaint != "" {
		v.Errors["password"] = complaint
	} else if plain == form.Get("current") {
		v.Errors["password"] = "Choose a password that is not the current one."
	}
	if len(v.Errors) > 0 {
		e.form(w, r, http.StatusUnprocessableEntity, v)
		return
	}
	address := browser.ClientAddress(r)
	credential, err := e.Proof.Check(r.Context(), p.Account, form.Get("current"), address)
	if err == nil {
		err = e.change(r.Context(), p, credential, plain, address)
	}
	e.answer(w, r, v, err)
}

func (e *Endpoint) change(ctx context.Context, p signedin.Person, old auth.Credential, plain, address string) error {
	phc, err := e.Hasher.Hash(ctx, plain)
	if err != nil {
		return err
	}
	return e.Passwords.ChangePassword(ctx, auth.PasswordChange{
		UserID: p.Account.ID, OldHash: old.PasswordHash, NewHash: phc, KeepSessionID: p.Session.ID, Address: address, Now: e.Now(),
	})
}

func (e *Endpoint) answer(w http.ResponseWriter, r *http.Request, v view, err error) {
	switch paused, isPaused := errors.AsType[*proof.PausedError](err); {
	case err == nil:
		page.Redirect(w, "/account?done=password")
	case errors.Is(err, proof.ErrNoPassword):
		v.NoPassword = true
		e.form(w, r, http.StatusConflict, v)
	case errors.Is(err, proof.ErrWrong):
		v.Errors["current"] = "The password is wrong."
		e.form(w, r, http.StatusForbidden, v)
	case isPaused:
		v.Errors["form"] = paused.Tell(w)
		e.form(w, r, http.StatusTooManyRequests, v)
	case errors.Is(err, auth.ErrConsumed):
		v.Errors["form"] = "The password was just changed elsewhere. Try again."
		e.form(w, r, http.StatusConflict, v)
	default:
		e.Pages.Error(w, r, err)
	}
}
