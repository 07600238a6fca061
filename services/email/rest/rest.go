// Package rest owns the public API of the email service below /v1: who may
// read which messages, and how they look as JSON.
//
// Sending, states and storage belong to package email; the mails of a
// development machine to its sibling mailbox.
package rest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/problem"
	"gatehouse.example/internal/rbac"
	"gatehouse.example/services/email"
)

const (
	defaultLimit = 50
	maxLimit     = 200
)

// New returns the handler of everything below /v1 that this service owns. The
// request's context carries the principal; nobody is answered 401 on every
// path, known or not.
func New(archive email.Archive) http.Handler {
	a := &api{archive: archive}
	mux := http.NewServeMux()
	mux.Handle("GET /v1/messages", a.permitted(a.list))
	mux.Handle("GET /v1/messages/{id}", a.permitted(a.get))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, r, problem.New(http.StatusNotFound, "not_found", "there is nothing at this path"))
	})
	return identity.RequireAuthenticated(mux)
}

type api struct{ archive email.Archive }

func (a *api) permitted(next func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !rbac.Allowed(identity.PrincipalFrom(r.Context()), rbac.MessagesRead) {
			problem.Write(w, r, problem.Newf(http.StatusForbidden, "forbidden", "the permission %s is required", rbac.MessagesRead))
			return
		}
		if err := next(w, r); err != nil {
			problem.Write(w, r, err)
		}
	})
}

func (a *api) list(w http.ResponseWriter, r *http.Request) error {
	query, err := parseQuery(r)
	if err != nil {
		return err
	}
	limit := query.Limit
	query.Limit++ // one more tells whether there is a next page
	messages, err := a.archive.List(r.Context(), query)
	if err != nil {
		return err
	}
	page := listWire{Items: []messageWire{}}
	for i, m := range messages {
		if i == limit {
			cursor := base64.RawURLEncoding.EncodeToString([]byte(messages[i-1].ID))
			page.NextCursor = &cursor
			break
		}
		page.Items = append(page.Items, wireOf(m))
	}
	return answer(w, page)
}

func (a *api) get(w http.ResponseWriter, r *http.Request) error {
	m, err := a.archive.ByID(r.Context(), r.PathValue("id"))
	if errors.Is(err, email.ErrNotFound) {
		return problem.New(http.StatusNotFound, "not_found", "there is no such message")
	}
	if err != nil {
		return err
	}
	return answer(w, wireOf(m))
}

func parseQuery(r *http.Request) (email.Query, error) {
	values := r.URL.Query()
	q := email.Query{State: email.State(values.Get("state")), UserID: values.Get("user_id"), Limit: defaultLimit}
	invalid := func(name, detail string) error {
		return problem.Newf(http.StatusBadRequest, "invalid_parameter", "%s: %s", name, detail)
	}
	if text := values.Get("limit"); text != "" {
		limit, err := strconv.Atoi(text)
		if err != nil || limit < 1 || limit > maxLimit {
			return q, invalid("limit", "want a number from 1 to "+strconv.Itoa(maxLimit))
		}
		q.Limit = limit
	}
	if q.State != "" && !slices.Contains(email.States(), q.State) {
		return q, invalid("state", "there is no such state")
	}
	if q.UserID != "" && uuid.Validate(q.UserID) != nil {
		return q, invalid("user_id", "want a UUID")
	}
	if text := values.Get("cursor"); text != "" {
		id, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || uuid.Validate(string(id)) != nil {
			return q, invalid("cursor", "want the next_cursor of a page")
		}
		q.Before = string(id)
	}
	return q, nil
}

type listWire struct {
	Items      []messageWire `json:"items"`
	NextCursor *string       `json:"next_cursor"`
}

type messageWire struct {
	ID        string `json:"id"`
	Template  string `json:"template"`
	Locale    string `json:"locale"`
	Recipient string `json:"recipient"`
	UserID    string `json:"user_id,omitempty"`
	State     string `json:"state"`
	Attempts  int    `json:"attempts"`
	// NextAttemptAt is set while the message waits.
	NextAttemptAt *time.Time `json:"next_attempt_at,omitempty"`
	Reason        string     `json:"reason,omitempty"`
	Transport     string     `json:"transport,omitempty"`
	CreatedAt     time.Time  `json:"created_at"`
	UpdatedAt     time.Time  `json:"updated_at"`
	SentAt        *time.Time `json:"sent_at,omitempty"`
}

func wireOf(m email.Message) messageWire {
	wire := messageWire{
		ID: m.ID, Template: m.Template, Locale: m.Locale, Recipient: m.Recipient, UserID: m.UserID,
		State: string(m.State), Attempts: m.Attempts, Reason: m.Reason, Transport: m.Transport,
		CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt,
	}
	if m.State == email.StateQueued || m.State == email.StateDeferred {
		wire.NextAttemptAt = &m.DueAt
	}
	if !m.SentAt.IsZero() {
		wire.SentAt = &m.SentAt
	}
	return wire
}

func answer(w http.ResponseWriter, body any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(data) // nobody is left to tell
	return nil
}
