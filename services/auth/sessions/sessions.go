// Package sessions owns the API for sign-in sessions (/v1/sessions): listing
// and ending one's own, and for administrators those of others.
//
// Starting a session is left to services/auth/login, the page for the same to
// services/auth/account.
package sessions

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"

	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/jsonhttp"
	"gatehouse.example/internal/problem"
	"gatehouse.example/internal/rbac"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/device"
	"gatehouse.example/services/auth/rest"
)

// Store finds sessions.
type Store interface {
	// Session returns the session, ended or not, or [auth.ErrNotFound].
	Session(ctx context.Context, id string) (auth.Session, error)
	// LiveSessions returns the newest first, of those older than before.
	LiveSessions(ctx context.Context, userID, before string, limit int, now time.Time) ([]auth.Session, error)
}

// Ender ends sessions with everything that came of them.
type Ender interface {
	// EndSession returns [auth.ErrNotFound] if the user has no such session.
	EndSession(ctx context.Context, userID, sessionID string, now time.Time) error
	// EndOthers ends all sessions but the one to keep; "" keeps none.
	EndOthers(ctx context.Context, userID, keepSessionID, reason string, now time.Time) error
}

// Options configures [New].
type Options struct {
	Store Store
	Ender Ender
	// Now is the clock. nil: time.Now.
	Now func() time.Time
}

// API is the endpoints. It is safe for concurrent use.
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
	ID     string `json:"id"`
	UserID string `json:"user_id"`
	// Current marks the session that the caller's token came from.
	Current bool `json:"current"`
	// Device is the user agent in words, such as "Firefox on Linux".
	Device     string    `json:"device"`
	UserAgent  string    `json:"user_agent"`
	Address    string    `json:"address"`
	CreatedAt  time.Time `json:"created_at"`
	AuthTime   time.Time `json:"auth_time"`
	LastSeenAt time.Time `json:"last_seen_at"`
	ExpiresAt  time.Time `json:"expires_at"`
}

// List answers GET /v1/sessions with the parameters user_id, limit and cursor,
// the newest session first.
func (a *API) List(w http.ResponseWriter, r *http.Request) {
	page, err := rest.ReadPage(r, "user_id")
	if err == nil && page.After != "" && uuid.Validate(page.After) != nil {
		err = rest.BadParameter("cursor", "is not one that a list gave")
	}
	if err != nil {
		rest.Fail(w, r, err)
		return
	}
	caller := identity.PrincipalFrom(r.Context())
	userID, err := whose(r, caller, rbac.SessionsRead)
	if err != nil {
		rest.Fail(w, r, err)
		return
	}
	found, err := a.Store.LiveSessions(r.Context(), userID, page.After, page.Limit+1, a.Now())
	if err != nil {
		rest.Fail(w, r, err)
		return
	}
	viewOf := func(s auth.Session) View {
		return View{
			ID: s.ID, UserID: s.UserID, Current: s.ID == caller.SessionID, Device: device.Label(s.UserAgent), UserAgent: s.UserAgent, Address: s.Address,
			CreatedAt: s.CreatedAt.UTC(), AuthTime: s.AuthTime.UTC(), LastSeenAt: s.LastSeenAt.UTC(), ExpiresAt: s.ExpiresAt.UTC(),
		}
	}
	rest.Write(w, r, http.StatusOK, jsonhttp.NewList(found, page.Limit, viewOf, func(s auth.Session) string { return s.ID }))
}

// whose returns the user whose sessions are meant: the caller, or who is named
// by user_id if the caller has the permission.
func whose(r *http.Request, caller identity.Principal, permission string) (string, error) {
	id := r.URL.Query().Get("user_id")
	switch {
	case id == "" && caller.Kind == identity.KindUser:
		return caller.Subject, nil
	case caller.Kind != identity.KindUser && !rbac.Allowed(caller, permission):
		return "", rest.Lacks(permission)
	case id == "":
		return "", problem.New(http.StatusBadRequest, "user_id_required", "a client has no sessions; say whose by user_id")
	case uuid.Validate(id) != nil || len(id) != 36:
		return "", problem.New(http.StatusBadRequest, "invalid_user_id", "user_id must be the id of a user")
	case caller.Kind == identity.KindUser && id == caller.Subject:
		return id, nil
	case !rbac.Allowed(caller, permission):
		return "", rest.Lacks(permission)
	}
	return id, nil
}

// Delete answers DELETE /v1/sessions/{id}.
func (a *API) Delete(w http.ResponseWriter, r *http.Request) {
	caller := identity.PrincipalFrom(r.Context())
	if caller.Kind != identity.KindUser && !rbac.Allowed(caller, rbac.SessionsWrite) {
		rest.Fail(w, r, rest.Lacks(rbac.SessionsWrite))
		return
	}
	session, err := a.Store.Session(r.Context(), r.PathValue("id"))
	if err == nil && !(caller.Kind == identity.KindUser && session.UserID == caller.Subject) && !rbac.Allowed(caller, rbac.SessionsWrite) {
		err = auth.ErrNotFound // whether it exists is not the caller's business
	}
	if err == nil {
		err = a.Ender.EndSession(r.Context(), session.UserID, session.ID, a.Now())
	}
	if err != nil {
		rest.Fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// DeleteAll answers DELETE /v1/sessions with the parameters user_id and except,
// which may be "current": the session that the caller's token came from stays.
func (a *API) DeleteAll(w http.ResponseWriter, r *http.Request) {
	caller := identity.PrincipalFrom(r.Context())
	userID, err := whose(r, caller, rbac.SessionsWrite)
	keep := ""
	if err == nil {
		keep, err = kept(r, caller, userID)
	}
	if err == nil {
		err = a.Ender.EndOthers(r.Context(), userID, keep, auth.EndedRevoked, a.Now())
	}
	if err != nil {
		rest.Fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// kept returns the session that except names. A misspelt parameter must not
// end more than was meant.
func kept(r *http.Request, caller identity.Principal, userID string) (string, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	for name := range query {
		if name != "user_id" && name != "except" {
			return "", invalidParameter()
		}
	}
	if err != nil {
		return "", invalidParameter()
	}
	if !query.Has("except") {
		return "", nil
	}
	if query.Get("except") != "current" {
		return "", problem.New(http.StatusBadRequest, "invalid_except", "except can only be current")
	}
	if caller.SessionID == "" || userID != caller.Subject {
		return "", problem.New(http.StatusBadRequest, "no_current_session", "there is no current session of that user to keep")
	}
	return caller.SessionID, nil
}

func invalidParameter() *problem.Problem {
	return problem.New(http.StatusBadRequest, "invalid_parameter", "the parameters here are user_id and except")
}
