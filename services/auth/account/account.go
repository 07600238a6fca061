// Package account owns the overview of one's own account and the page of where
// one is signed in: what the system knows of the person, the ways to its other
// pages, and ending sessions.
//
// The password and the address are changed in services/auth/changepassword and
// changeemail; what other packages show on the overview they give as a
// [Section]. The profile is left to the user service, signing out to
// services/auth/logout.
package account

import (
	"context"
	"net/http"
	"time"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/page"
	"gatehouse.example/services/auth/signedin"
)

// Section is a part of the overview that another package knows about, such as
// the ways to sign in.
type Section interface {
	// Section returns what to show the person. One without a title is left out.
	Section(ctx context.Context, userID string) (View, error)
}

// View is a section as it is shown.
type View struct {
	// Title is the section's heading, Text a sentence below it.
	Title, Text string
	// Entries are its lines.
	Entries []Entry
}

// Entry is one line of a section, with a button if it has an Action.
type Entry struct {
	// Label is what the line is about, Detail what there is to say.
	Label, Detail string
	// Action is the path that the button posts to, Button what is on it.
	Action, Button string
	// Fields are hidden fields of the form.
	Fields map[string]string
}

// Store finds sessions.
type Store interface {
	// LiveSessions returns the newest first.
	LiveSessions(ctx context.Context, userID, before string, limit int, now time.Time) ([]auth.Session, error)
}

// Ender ends sessions with everything that came of them.
type Ender interface {
	EndSession(ctx context.Context, userID, sessionID string, now time.Time) error
	EndOthers(ctx context.Context, userID, keepSessionID, reason string, now time.Time) error
}

// Forgetter removes the session cookie.
type Forgetter interface {
	Forget(w http.ResponseWriter)
}

// Options configures [New].
type Options struct {
	Store  Store
	Ender  Ender
	Cookie Forgetter
	Pages  *page.Renderer
	// Sections are shown on the overview in this order.
	Sections []Section
	// Now is the clock. nil: time.Now.
	Now func() time.Time
}

// Endpoint is the two pages. It is safe for concurrent use.
type Endpoint struct{ Options }

// New returns the endpoint.
func New(o Options) *Endpoint {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Endpoint{o}
}

// notices are what the overview says after another page has done its work.
var notices = map[string]string{
	"password": "Your password was changed. You are signed out everywhere else.",
}

type overview struct {
	userapi.Account
	AuthTime, Notice string
	Sections         []View
}

// Show answers GET /account.
func (e *Endpoint) Show(w http.ResponseWriter, r *http.Request, p signedin.Person) {
	v := overview{Account: p.Account, AuthTime: p.Session.AuthTime.UTC().Format(time.RFC3339), Notice: notices[r.URL.Query().Get("done")]}
	for _, s := range e.Sections {
		section, err := s.Section(r.Context(), p.Account.ID)
		if err != nil {
			e.Pages.Error(w, r, err)
			return
		}
		if section.Title != "" {
			v.Sections = append(v.Sections, section)
		}
	}
	e.Pages.Render(w, r, page.View{Template: "account", Title: "Your account", LeadsAway: true, Data: v})
}
