package account

import (
	"errors"
	"net/http"
	"time"

	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/device"
	"gatehouse.example/services/auth/oauth"
	"gatehouse.example/services/auth/page"
	"gatehouse.example/services/auth/signedin"
)

// maxShown is how many sessions the page lists, the newest. Who has more ends
// all others.
const maxShown = 100

type line struct {
	ID, Device, Address, Seen, Since string
	Current                          bool
}

// ShowSessions answers GET /account/sessions.
func (e *Endpoint) ShowSessions(w http.ResponseWriter, r *http.Request, p signedin.Person) {
	found, err := e.Store.LiveSessions(r.Context(), p.Account.ID, "", maxShown, e.Now())
	if err != nil {
		e.Pages.Error(w, r, err)
		return
	}
	lines := make([]line, len(found))
	for i, s := range found {
		lines[i] = line{
			ID: s.ID, Device: device.Label(s.UserAgent), Address: s.Address, Current: s.ID == p.Session.ID,
			Seen: s.LastSeenAt.UTC().Format(time.RFC3339), Since: s.CreatedAt.UTC().Format(time.RFC3339),
		}
	}
	e.Pages.Render(w, r, page.View{Template: "account_sessions", Title: "Where you are signed in", Data: struct{ Sessions []line }{lines}})
}

// EndSessions answers POST /account/sessions with the field session, the id of
// one to end, or end: others, all.
func (e *Endpoint) EndSessions(w http.ResponseWriter, r *http.Request, p signedin.Person) {
	form, err := oauth.ParseForm(w, r)
	if err != nil {
		e.Pages.Unreadable(w, r, "Where you are signed in", "/account/sessions")
		return
	}
	out := false
	switch id := form.Get("session"); {
	case id != "":
		err = e.Ender.EndSession(r.Context(), p.Account.ID, id, e.Now())
		if errors.Is(err, auth.ErrNotFound) {
			err = nil // it is over already, or never was the person's
		}
		out = id == p.Session.ID
	case form.Get("end") == "others":
		err = e.Ender.EndOthers(r.Context(), p.Account.ID, p.Session.ID, auth.EndedRevoked, e.Now())
	case form.Get("end") == "all":
		err = e.Ender.EndOthers(r.Context(), p.Account.ID, "", auth.EndedRevoked, e.Now())
		out = true
	default:
		e.Pages.Unreadable(w, r, "Where you are signed in", "/account/sessions")
		return
	}
	switch {
	case err != nil:
		e.Pages.Error(w, r, err)
	case out:
		e.Cookie.Forget(w)
		page.Redirect(w, "/login")
	default:
		page.Redirect(w, "/account/sessions")
	}
}
