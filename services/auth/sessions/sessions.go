// Package sessions owns the API for one's own sign-in sessions (/v1/sessions):
// listing and ending them.
//
// Starting a session is left to services/auth/login; other people's sessions
// to administrators' tools that come later.
package sessions

import (
	"context"
	"net/http"
	"time"

	"gatehouse.example/internal/identity"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/rest"
)

// Store finds sessions.
type Store interface {
	LiveSessions(ctx context.Context, userID, after string, limit int, now time.Time) ([]auth.Session, error)
}

// Ender ends sessions with everything that came of them.
type Ender interface {
	EndSession(ctx context.Context, userID, sessionID string, now time.Time) error
}

// Options configures [New].
type Options struct {
	Store Store
	Ender Ender
	// Now is the clock. nil: time.Now.
	Now func() time.Time
}

// API is the endpoints; only users reach them. It is safe for concurrent use.
type API struct{ Options }

// New returns the endpoints.
func New(o Options) *API {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &API{o}
}

// View is a session as it is answered.
type View struct {
	ID string `json:"id"`
	// Current marks the session that the caller's token came from.
	Current    bool      `json:"current"`
	UserAgent  string    `json:"user_agent"`
	Address    string    `json:"address"`
	CreatedAt  time.Time `json:"created_at"`
	AuthTime   time.Time `json:"auth_time"`
	LastSeenAt time.Time `json:"last_seen_at"`
	ExpiresAt  time.Time `json:"expires_at"`
}

// List answers GET /v1/sessions.
func (a *API) List(w http.ResponseWriter, r *http.Request) {
	page, err := rest.ReadPage(r)
	if err != nil {
		rest.Fail(w, r, err)
		return
	}
	caller := identity.PrincipalFrom(r.Context())
	found, err := a.Store.LiveSessions(r.Context(), caller.Subject, page.After, page.Limit+1, a.Now())
	if err != nil {
		rest.Fail(w, r, err)
		return
	}
	views := make([]View, len(found))
	for i, s := range found {
		views[i] = View{
			ID: s.ID, Current: s.ID == caller.SessionID, UserAgent: s.UserAgent, Address: s.Address,
			CreatedAt: s.CreatedAt.UTC(), AuthTime: s.AuthTime.UTC(), LastSeenAt: s.LastSeenAt.UTC(), ExpiresAt: s.ExpiresAt.UTC(),
		}
	}
	rest.Write(w, r, http.StatusOK, rest.NewList(views, page, func(v View) string { return v.ID }))
}

// Delete answers DELETE /v1/sessions/{id}.
func (a *API) Delete(w http.ResponseWriter, r *http.Request) {
	caller := identity.PrincipalFrom(r.Context())
	if err := a.Ender.EndSession(r.Context(), caller.Subject, r.PathValue("id"), a.Now()); err != nil {
		rest.Fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
