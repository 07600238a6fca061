package rest

import (
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/google/uuid"

	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/jsonhttp"
	"gatehouse.example/internal/problem"
	"gatehouse.example/services/email"
)

var (
	// templateName is the form of a template's name.
	templateName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
	// requestKey is what we take as an Idempotency-Key.
	requestKey = regexp.MustCompile(`^[\x21-\x7e]{1,255}$`)
)

func (a *api) list(w http.ResponseWriter, r *http.Request) error {
	query, err := parseQuery(r)
	if err != nil {
		return err
	}
	limit := query.Limit
	query.Limit++ // one more tells whether there is a next page
	messages, err := a.Archive.List(r.Context(), query)
	if err != nil {
		return err
	}
	return jsonhttp.Write(w, http.StatusOK, jsonhttp.NewList(messages, limit, wireOf, func(m email.Message) string { return m.ID }))
}

func (a *api) get(w http.ResponseWriter, r *http.Request) error {
	m, err := a.Archive.ByID(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return jsonhttp.Write(w, http.StatusOK, wireOf(m))
}

func parseQuery(r *http.Request) (email.Query, error) {
	values := r.URL.Query()
	limit, before, err := readPage(values)
	if err != nil {
		return email.Query{}, err
	}
	q := email.Query{
		State: email.State(values.Get("state")), UserID: values.Get("user_id"), Template: values.Get("template"),
		Before: before, Limit: limit,
	}
	switch {
	case q.State != "" && !slices.Contains(email.States(), q.State):
		return q, invalid("state", "there is no such state")
	case q.UserID != "" && !isUUID(q.UserID):
		return q, invalid("user_id", "want a UUID")
	case q.Template != "" && !templateName.MatchString(q.Template):
		return q, invalid("template", "want the name of a template")
	case q.Before != "" && !isUUID(q.Before):
		return q, invalid("cursor", "want the next_cursor of a page")
	}
	return q, nil
}

// isUUID reports whether text is a UUID in its canonical form (RFC 9562 §4).
func isUUID(text string) bool { return len(text) == 36 && uuid.Validate(text) == nil }

// sendWire is the body of POST /v1/messages.
type sendWire struct {
	Template string            `json:"template"`
	UserID   string            `json:"user_id"`
	To       string            `json:"to"`
	Locale   string            `json:"locale"`
	Data     map[string]string `json:"data"`
}

// send answers 202 with the queued message, or 200 with the one that the same
// request with the same Idempotency-Key queued before.
func (a *api) send(w http.ResponseWriter, r *http.Request) error {
	keys := r.Header.Values("Idempotency-Key")
	if len(keys) > 1 || len(keys) == 1 && !requestKey.MatchString(keys[0]) {
		return problem.New(http.StatusBadRequest, codeInvalidParameter, "the Idempotency-Key must be 1 to 255 visible ASCII characters").
			With(problem.Violation{In: "header", Name: "Idempotency-Key", Detail: "is not acceptable"})
	}
	var body sendWire
	if err := jsonhttp.Read(w, r, &body); err != nil {
		return err
	}
	s := email.Submission{
		Template: body.Template, UserID: body.UserID, To: body.To, Locale: body.Locale, Data: body.Data, Actor: actor(r),
	}
	if len(keys) == 1 {
		s.Key = keys[0]
	}
	m, created, err := a.Desk.Submit(r.Context(), s)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/v1/messages/"+m.ID)
	if !created {
		return jsonhttp.Write(w, http.StatusOK, wireOf(m))
	}
	return jsonhttp.Write(w, http.StatusAccepted, wireOf(m))
}

func (a *api) resend(w http.ResponseWriter, r *http.Request) error {
	m, err := a.Desk.Resend(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return jsonhttp.Write(w, http.StatusAccepted, wireOf(m))
}

func actor(r *http.Request) string {
	p := identity.PrincipalFrom(r.Context())
	return string(p.Kind) + ":" + p.Subject
}

type messageWire struct {
	ID       string `json:"id"`
	Template string `json:"template"`
	Locale   string `json:"locale"`
	// Recipient is empty until the account's address was asked for.
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
