package identities

import (
	"context"
	"errors"
	"net/http"
	"time"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/account"
	"gatehouse.example/services/auth/browser"
	"gatehouse.example/services/auth/oauth"
	"gatehouse.example/services/auth/page"
	"gatehouse.example/services/auth/proof"
	"gatehouse.example/services/auth/signedin"
	"gatehouse.example/services/auth/social"
)

// recent is how long after a sign-in a person may change the ways to sign in
// without its password.
const recent = 10 * time.Minute

// maxShown is how many identities the page lists.
const maxShown = 50

// Proofs checks the password of who is signed in.
type Proofs interface {
	HasPassword(ctx context.Context, userID string) (bool, error)
	// Check returns [proof.ErrWrong] or a [proof.PausedError] for a guess.
	Check(ctx context.Context, account userapi.Account, plain, address string) (auth.Credential, error)
}

// Starter sends the browser to a provider.
type Starter interface {
	Begin(w http.ResponseWriter, r *http.Request, entry social.Entry, f auth.SocialFlow)
}

// Options configures [NewPages].
type Options struct {
	Store     Store
	Catalogue social.Catalogue
	Starter   Starter
	Proofs    Proofs
	Pages     *page.Renderer
	// Now is the clock. nil: time.Now.
	Now func() time.Time
}

// Pages is the section of the account's page and its forms. It is safe for
// concurrent use.
type Pages struct{ Options }

var _ account.Section = (*Pages)(nil)

// NewPages returns the pages.
func NewPages(o Options) *Pages {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Pages{o}
}

// Section implements [account.Section].
func (p *Pages) Section(ctx context.Context, userID string) (account.View, error) {
	found, err := p.Store.IdentitiesOf(ctx, userID, "", maxShown)
	if err != nil || len(found)+len(p.Catalogue) == 0 {
		return account.View{}, err
	}
	v := account.View{Title: "Sign-in methods", Text: "Other accounts of yours that sign you in here."}
	linked := map[string]bool{}
	for _, i := range found {
		linked[i.Provider] = true
		v.Entries = append(v.Entries, account.Entry{
			Label: p.Catalogue.DisplayName(i.Provider), Detail: i.Email,
			Action: "/account/identities", Button: "Unlink", Fields: map[string]string{"identity": i.ID},
		})
	}
	for _, entry := range p.Catalogue {
		if !linked[entry.Name] {
			v.Entries = append(v.Entries, account.Entry{Label: entry.DisplayName, Action: "/account/identities/" + entry.Name, Button: "Link"})
		}
	}
	return v, nil
}

// Link answers POST /account/identities/{provider}.
func (p *Pages) Link(w http.ResponseWriter, r *http.Request, person signedin.Person) {
	entry, ok := p.Catalogue.Find(r.PathValue("provider"))
	if !ok {
		p.Pages.Message(w, r, http.StatusNotFound, page.Message{Title: "Sign-in methods", Text: "There is no such provider.", Link: "/account", LinkText: "Your account"})
		return
	}
	_, ok = p.confirmed(w, r, person, confirmation{Action: "/account/identities/" + entry.Name, Title: "Link " + entry.DisplayName, Button: "Go to " + entry.DisplayName})
	if ok {
		p.Starter.Begin(w, r, entry, auth.SocialFlow{Kind: auth.SocialLink, UserID: person.Account.ID, SessionID: person.Session.ID, ReturnTo: "/account"})
	}
}

// Unlink answers POST /account/identities with the field identity.
func (p *Pages) Unlink(w http.ResponseWriter, r *http.Request, person signedin.Person) {
	form, ok := p.confirmed(w, r, person, confirmation{Action: "/account/identities", Title: "Unlink", Button: "Unlink"})
	if !ok {
		return
	}
	err := p.Store.UnlinkIdentity(r.Context(), person.Account.ID, form.Get("identity"), p.Catalogue.Names(), p.Now())
	switch {
	case errors.Is(err, auth.ErrLastSignInMethod):
		p.Pages.Message(w, r, http.StatusConflict, page.Message{
			Title: "Not unlinked", Text: "This is the only way for you to sign in. Set a password or link another provider first.", Link: "/account", LinkText: "Your account",
		})
	case err != nil && !errors.Is(err, auth.ErrNotFound): // one that is gone is what was wanted
		p.Pages.Error(w, r, err)
	default:
		page.Redirect(w, "/account")
	}
}

// confirmation is the page that asks for the password.
type confirmation struct {
	Action, Title, Button string
	// Identity is the form's own field, sent along again.
	Identity string
	// Again is where somebody without a password signs in anew; else "".
	Again string
	// Error is what was wrong with the password.
	Error string
}

// confirmed lets those pass who signed in lately or send their password. For
// others it answers the request.
func (p *Pages) confirmed(w http.ResponseWriter, r *http.Request, person signedin.Person, c confirmation) (oauth.Params, bool) {
	form, err := oauth.ParseForm(w, r)
	if err != nil {
		p.Pages.Message(w, r, http.StatusBadRequest, page.Message{Title: "Sign-in methods", Text: "The form could not be read.", Link: "/account", LinkText: "Your account"})
		return form, false
	}
	if p.Now().Sub(person.Session.AuthTime) <= recent {
		return form, true
	}
	c.Identity = form.Get("identity")
	known, err := p.Proofs.HasPassword(r.Context(), person.Account.ID)
	switch {
	case err != nil:
		p.Pages.Error(w, r, err)
		return form, false
	case !known:
		c.Again = browser.WithReturnTo("/login", "/account")
		p.ask(w, r, http.StatusForbidden, c)
		return form, false
	case !form.Has("password"):
		p.ask(w, r, http.StatusForbidden, c)
		return form, false
	}
	_, err = p.Proofs.Check(r.Context(), person.Account, form.Get("password"), browser.ClientAddress(r))
	paused, isPaused := errors.AsType[*proof.PausedError](err)
	switch {
	case isPaused:
		c.Error = paused.Tell(w)
		p.ask(w, r, http.StatusTooManyRequests, c)
	case errors.Is(err, proof.ErrWrong), errors.Is(err, proof.ErrNoPassword):
		c.Error = "The password is wrong."
		p.ask(w, r, http.StatusForbidden, c)
	case err != nil:
		p.Pages.Error(w, r, err)
	}
	return form, err == nil
}

func (p *Pages) ask(w http.ResponseWriter, r *http.Request, status int, c confirmation) {
	p.Pages.Render(w, r, page.View{Template: "confirm", Title: c.Title, Status: status, LeadsAway: true, Data: c})
}
