// Package rest owns the public API of the email service for administrators and
// API clients below /v1: messages, suppressions and templates, who may use
// which, and how they look as JSON.
//
// Sending, states and storage belong to package email; people's own
// notifications to services/email/notification; the mails of a development
// machine to the sibling mailbox.
package rest

import (
	"net/http"
	"time"

	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/jsonhttp"
	"gatehouse.example/internal/problem"
	"gatehouse.example/internal/rbac"
	"gatehouse.example/services/email"
)

// Options configures [New]; all but Now are required.
type Options struct {
	Archive      email.Archive
	Desk         *email.Desk
	Catalog      email.Catalog
	Suppressions email.SuppressionList
	// Now is the clock; time.Now.
	Now func() time.Time
}

// operation is one method of one path, and the permission that it takes.
type operation struct {
	pattern, permission string
	handle              func(*api, http.ResponseWriter, *http.Request) error
}

func operations() []operation {
	return []operation{
		{"GET /v1/messages", rbac.MessagesRead, (*api).list},
		{"POST /v1/messages", rbac.MessagesSend, (*api).send},
		{"GET /v1/messages/{id}", rbac.MessagesRead, (*api).get},
		{"POST /v1/messages/{id}/resend", rbac.MessagesSend, (*api).resend},
		{"GET /v1/messages/suppressions", rbac.MessagesRead, (*api).listSuppressions},
		{"POST /v1/messages/suppressions", rbac.MessagesSend, (*api).suppress},
		{"DELETE /v1/messages/suppressions/{address}", rbac.MessagesSend, (*api).unsuppress},
		{"GET /v1/templates", rbac.MessagesRead, (*api).listTemplates},
		{"GET /v1/templates/{name}", rbac.MessagesRead, (*api).getTemplate},
	}
}

// Operations returns every operation of the API as "METHOD /path/{id}".
func Operations() []string {
	var patterns []string
	for _, o := range operations() {
		patterns = append(patterns, o.pattern)
	}
	return patterns
}

type api struct{ Options }

// New returns the handler of everything below /v1 that is for administrators
// and API clients. The request's context carries the principal; nobody is
// answered 401 on every path, known or not.
func New(o Options) http.Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	a := &api{o}
	mux := http.NewServeMux()
	for _, op := range operations() {
		mux.Handle(op.pattern, a.permitted(op))
	}
	return identity.RequireAuthenticated(jsonhttp.Routed(mux))
}

func (a *api) permitted(op operation) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !rbac.Allowed(identity.PrincipalFrom(r.Context()), op.permission) {
			problem.Write(w, r, problem.Newf(http.StatusForbidden, "forbidden", "the permission %s is required", op.permission))
			return
		}
		if err := op.handle(a, w, r); err != nil {
			problem.Write(w, r, problemOf(err))
		}
	})
}
