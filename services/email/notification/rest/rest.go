// Package rest owns the public API below /v1/notifications: what a person reads
// and changes in its own inbox, what it wants to be told, and what API clients
// send it.
//
// What a notification is and says belongs to package notification. The live
// stream, which answers on a path of its own here, is its sibling stream's.
package rest

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/jsonhttp"
	"gatehouse.example/internal/problem"
	"gatehouse.example/services/email/notification"
)

// Root is the path below which everything is; StreamPath that of the live
// stream.
const (
	Root       = "/v1/notifications"
	StreamPath = Root + "/stream"
)

// Accounts knows who is there.
type Accounts interface {
	// AccountByID returns the account, or a 404 problem.
	AccountByID(ctx context.Context, id string) (userapi.Account, error)
}

// Options configures [New]. All but Now are required.
type Options struct {
	Inbox    notification.Inbox
	Choices  notification.Choices
	Creator  notification.Creator
	Accounts Accounts
	// Stream answers on [StreamPath].
	Stream http.Handler
	// Notify tells that something happened in a person's inbox, after the
	// change was committed.
	Notify func(ctx context.Context, userID string)
	// Now is nil for time.Now.
	Now func() time.Time
}

// API is the handler of everything below [Root].
type API struct {
	o          Options
	handler    http.Handler
	operations []string
}

// New returns the handler. The request's context carries the principal; nobody
// is answered 401 on every path, known or not.
func New(o Options) *API {
	if o.Now == nil {
		o.Now = time.Now
	}
	a := &API{o: o}
	person := func(h func(http.ResponseWriter, *http.Request) error) http.Handler {
		return identity.RequireUser(failing(h))
	}
	a.handler = a.mount([]route{
		{http.MethodGet, "", person(a.list)},
		{http.MethodPost, "", failing(a.create)},
		{http.MethodGet, "/unread-count", person(a.unread)},
		{http.MethodPost, "/read", person(a.readAll)},
		{http.MethodGet, "/preferences", person(a.preferences)},
		{http.MethodPatch, "/preferences", person(a.choose)},
		{http.MethodGet, "/stream", identity.RequireUser(o.Stream)},
		{http.MethodPost, "/{id}/read", person(a.read)},
		{http.MethodDelete, "/{id}", person(a.delete)},
	})
	return a
}

// ServeHTTP implements [http.Handler].
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

// Operations returns each route as "METHOD /path/{id}".
func (a *API) Operations() []string { return slices.Clone(a.operations) }

type route struct {
	method, path string
	handler      http.Handler
}

func (a *API) mount(routes []route) http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.Handle(r.method+" "+Root+r.path, r.handler)
		a.operations = append(a.operations, r.method+" "+Root+r.path)
	}
	return identity.RequireAuthenticated(jsonhttp.Routed(mux))
}

// failing answers with the error of h.
func failing(h func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := h(w, r)
		if err == nil {
			return
		}
		problem.Write(w, r, problemOf(err))
	})
}

// problemOf is the one table from the domain's errors to problems.
func problemOf(err error) error {
	var choice *notification.PreferenceError
	switch {
	case errors.Is(err, notification.ErrNotFound):
		return problem.New(http.StatusNotFound, "not_found", "you have no such notification")
	case errors.Is(err, notification.ErrErased):
		return unknownUser()
	case errors.Is(err, notification.ErrKeyReused):
		return problem.New(http.StatusUnprocessableEntity, "idempotency_key_reused", "this Idempotency-Key came with another request before")
	case errors.As(err, &choice):
		names := []string{"categories", choice.Category}
		if choice.Channel != "" {
			names = append(names, choice.Channel)
		}
		return jsonhttp.Invalid(problem.Violation{Pointer: jsonhttp.Pointer(names...), Detail: choice.Detail})
	}
	return err
}

// subject is the person that asks.
func subject(r *http.Request) string { return identity.PrincipalFrom(r.Context()).Subject }

// clock returns the time in the precision that the store keeps.
func (a *API) clock() time.Time { return a.o.Now().UTC().Truncate(time.Microsecond) }
