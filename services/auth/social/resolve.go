package social

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"golang.org/x/text/language"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/problem"
	"gatehouse.example/sdk/social"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/browser"
	"gatehouse.example/services/auth/page"
	"gatehouse.example/services/auth/register"
	"gatehouse.example/services/auth/signedin"
)

// visit is one person who came back from a provider.
type visit struct {
	entry Entry
	who   social.Identity
	flow  auth.SocialFlow
}

// vouched reports whether the provider's word for the address is enough.
func (v visit) vouched() bool { return v.entry.TrustEmail && v.who.EmailVerified }

// resolve finds the account by the rules of the package. Another process may
// make, link or remove it meanwhile: then everything is looked at again.
func (e *Endpoint) resolve(w http.ResponseWriter, r *http.Request, entry Entry, who social.Identity, flow auth.SocialFlow) {
	v := visit{entry, who, flow}
	for range 3 {
		again, err := e.step(w, r, v)
		if err != nil {
			e.Pages.Error(w, r, err)
			return
		}
		if !again {
			return
		}
	}
	e.Pages.RetryLater(w, r, time.Second)
}

// step answers the request, or asks to be called again.
func (e *Endpoint) step(w http.ResponseWriter, r *http.Request, v visit) (again bool, err error) {
	linked, err := e.Identities.Identity(r.Context(), v.entry.Name, v.who.Subject)
	switch {
	case err == nil && linked.Issuer != v.who.Issuer:
		// The provider's name means another issuer than it did: its subjects
		// are other people.
		e.failed(w, r, v.entry, social.Misconfigured(fmt.Errorf("issuer %q took the place of %q under the same name", v.who.Issuer, linked.Issuer)))
		return false, nil
	case err == nil:
		return false, e.enter(w, r, v, linked)
	case !isNotFound(err):
		return false, err
	}
	if v.who.Email == "" {
		e.Pages.Message(w, r, http.StatusForbidden, page.Message{
			Title: "Not signed in",
			Text:  v.entry.DisplayName + " does not tell your email address. Sign in another way, and link " + v.entry.DisplayName + " on the page of your account.",
			Link:  browser.WithReturnTo("/login", v.flow.ReturnTo), LinkText: "Back to sign-in",
		})
		return false, nil
	}
	account, err := e.Accounts.AccountByLogin(r.Context(), v.who.Email)
	if problem.HasStatus(err, http.StatusNotFound) {
		return e.create(w, r, v)
	}
	if err != nil {
		return false, err
	}
	switch {
	case account.Status == userapi.StatusPending:
		return false, e.mail(w, r, v, account)
	case account.Status != userapi.StatusActive:
		return false, e.refuse(w, r, v.entry, account.ID)
	case account.EmailVerified && v.vouched():
		return e.linkAndEnter(w, r, v, account)
	default:
		return false, e.prove(w, r, v, account)
	}
}

// enter signs in the account of a linked identity.
func (e *Endpoint) enter(w http.ResponseWriter, r *http.Request, v visit, i auth.Identity) error {
	account, err := e.Accounts.AccountByID(r.Context(), i.UserID)
	if problem.HasStatus(err, http.StatusNotFound) {
		return e.refuse(w, r, v.entry, i.UserID)
	}
	if err != nil {
		return err
	}
	switch {
	case account.Status == userapi.StatusPending, account.Status == userapi.StatusActive && !account.EmailVerified:
		return e.challenge(w, r, v, account, false)
	case account.Status != userapi.StatusActive:
		return e.refuse(w, r, v.entry, account.ID)
	}
	if err := e.Identities.IdentityUsed(r.Context(), i.ID, v.who.Email, e.Now()); err != nil {
		return err
	}
	if _, err := e.Sessions.SignIn(w, r, account.ID, v.entry.Name); err != nil {
		return err
	}
	target := v.flow.ReturnTo
	if target == "" {
		target = "/account"
	}
	page.Redirect(w, target)
	return nil
}

// refuse tells that the account may not act, and the audit log that somebody
// came to it.
func (e *Endpoint) refuse(w http.ResponseWriter, r *http.Request, entry Entry, userID string) error {
	record, err := audit.New(r.Context(), "auth", "session.sign_in_failed", "user", userID, e.Now())
	if err != nil {
		return err
	}
	record.Outcome = audit.Failure
	if err := e.Log.Record(r.Context(), record.With("method", entry.Name).With("reason", "not_active")); err != nil {
		return err
	}
	signedin.Refuse(e.Pages, w, r)
	return nil
}

func (e *Endpoint) linkAndEnter(w http.ResponseWriter, r *http.Request, v visit, account userapi.Account) (again bool, err error) {
	linked, err := e.linkTo(r.Context(), v, account.ID)
	if errors.Is(err, auth.ErrMismatch) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return false, e.enter(w, r, v, linked)
}

func (e *Endpoint) linkTo(ctx context.Context, v visit, userID string) (auth.Identity, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return auth.Identity{}, err
	}
	return e.Identities.LinkIdentity(ctx, auth.Identity{
		ID: id.String(), UserID: userID, Provider: v.entry.Name, Issuer: v.who.Issuer, Subject: v.who.Subject, Email: v.who.Email, CreatedAt: e.Now(),
	})
}

// create makes the account of an address that nobody has.
func (e *Endpoint) create(w http.ResponseWriter, r *http.Request, v visit) (again bool, err error) {
	if !e.AllowRegistration {
		e.Pages.Message(w, r, http.StatusForbidden, page.Message{
			Title: "Registration is closed", Text: "There is no account for you yet. Ask your administrator for one.", Link: "/login", LinkText: "Back to sign-in",
		})
		return false, nil
	}
	account, err := e.newAccount(r, v)
	refused, isProblem := errors.AsType[*problem.Problem](err)
	switch {
	case err == nil && v.vouched():
		return e.linkAndEnter(w, r, v, account)
	case err == nil:
		return false, e.mail(w, r, v, account)
	case isProblem && refused.Code == userapi.CodeEmailTaken:
		return true, nil
	case isProblem && refused.Status == http.StatusUnprocessableEntity:
		e.failed(w, r, v.entry, social.Invalid(fmt.Errorf("the user service refuses the account: %w", err)))
		return false, nil
	}
	return false, err
}

// newAccount creates the account with the provider's profile, or without it if
// the user service does not like it.
func (e *Endpoint) newAccount(r *http.Request, v visit) (userapi.Account, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return userapi.Account{}, err
	}
	n := userapi.NewAccount{ID: id.String(), Email: v.who.Email, Locale: register.Locale(r), Status: userapi.StatusPending, Profile: map[string]any{}}
	if v.vouched() {
		n.EmailVerified, n.Status = true, userapi.StatusActive
	}
	if tag, err := language.Parse(v.who.Locale); err == nil && tag != language.Und {
		n.Locale = tag.String()
	}
	for claim, value := range map[string]string{
		"name": v.who.Name, "given_name": v.who.GivenName, "family_name": v.who.FamilyName, "picture": v.who.Picture,
	} {
		if value != "" {
			n.Profile[claim] = value
		}
	}
	account, err := e.Accounts.CreateAccount(r.Context(), n)
	if problem.HasStatus(err, http.StatusUnprocessableEntity) {
		n.Profile, n.Locale = nil, "en"
		account, err = e.Accounts.CreateAccount(r.Context(), n)
	}
	return account, err
}
