package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"
	"go.opentelemetry.io/otel/trace"

	"gatehouse.example/internal/event"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/telemetry"
)

// Outcome is how what a record tells of ended.
type Outcome string

// The outcomes. Only a change that happened shares its transaction with the
// record; a failure or denial is recorded by itself.
const (
	Success Outcome = "success"
	Failure Outcome = "failure"
	Denied  Outcome = "denied"
)

// Record is one entry of the log. It holds no secret, and of a person no more
// than its id and the address that it came from.
type Record struct {
	// ID is a UUIDv7, made by [New].
	ID string
	// Time is when it happened, in UTC.
	Time time.Time
	// Service recorded it: "auth", "user", "email".
	Service string
	// ActorKind says what ActorID names; nobody has neither.
	ActorKind identity.Kind
	ActorID   string
	// ClientID is the OAuth client that the actor used, if any.
	ClientID string
	// Action is what was done: "user.suspended", "session.revoked".
	Action string
	// SubjectKind and SubjectID say what it was done to: "user", "client",
	// "key", "role", "session", "message".
	SubjectKind, SubjectID string
	// Outcome is success where it is empty.
	Outcome Outcome
	// Address is the client's IP address.
	Address string
	// RequestID and TraceID lead to the logs and traces of the request.
	RequestID, TraceID string
	// Details says more in a few short texts.
	Details map[string]string
}

// The details by which [New] says which credential acted: the sign-in session
// behind it, or else the API key or token. What presents a key cannot be told
// from what presents a token without a session.
const (
	DetailSession    = "session_id"
	DetailCredential = "credential_id"
)

// New returns a record of action on a subject, by the principal and for the
// request that ctx belongs to.
func New(ctx context.Context, service, action, subjectKind, subjectID string, now time.Time) (Record, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Record{}, fmt.Errorf("new audit record: %w", err)
	}
	p := identity.PrincipalFrom(ctx)
	r := Record{
		ID: id.String(), Time: now.UTC(), Service: service,
		ActorKind: p.Kind, ActorID: p.Subject, ClientID: p.ClientID,
		Action: action, SubjectKind: subjectKind, SubjectID: subjectID, Outcome: Success,
		Address: telemetry.ClientAddress(ctx), RequestID: telemetry.RequestID(ctx),
	}
	if span := trace.SpanContextFromContext(ctx); span.HasTraceID() {
		r.TraceID = span.TraceID().String()
	}
	switch {
	case p.SessionID != "":
		r = r.With(DetailSession, p.SessionID)
	case p.TokenID != "":
		r = r.With(DetailCredential, p.TokenID)
	}
	return r, nil
}

// By returns the record with another actor, for what happens before somebody
// has a principal, such as a sign-in. Which credential acted stays.
func (r Record) By(kind identity.Kind, id string) Record {
	r.ActorKind, r.ActorID = kind, id
	return r
}

// With returns the record with one more detail.
func (r Record) With(name, value string) Record {
	details := make(map[string]string, len(r.Details)+1)
	for k, v := range r.Details {
		details[k] = v
	}
	details[name] = value
	r.Details = details
	return r
}

// Event returns the event that carries the record to the log of all.
func (r Record) Event() (event.Event, error) {
	subject := r.SubjectID
	if subject == "" {
		subject = r.ActorID
	}
	if subject == "" {
		subject = r.Service
	}
	return event.New("gatehouse/"+r.Service, event.TypeAuditRecorded, subject, event.AuditRecorded{
		ID: r.ID, Time: r.Time, Service: r.Service, ActorKind: string(r.ActorKind), ActorID: r.ActorID, ClientID: r.ClientID,
		Action: r.Action, SubjectKind: r.SubjectKind, SubjectID: r.SubjectID, Outcome: string(r.Outcome),
		Address: r.Address, RequestID: r.RequestID, TraceID: r.TraceID, Details: r.Details,
	}, r.Time)
}

// FromEvent returns the record that an event carries.
func FromEvent(e event.Event) (Record, error) {
	var d event.AuditRecorded
	if err := e.Decode(&d); err != nil {
		return Record{}, err
	}
	if _, err := uuid.Parse(d.ID); err != nil || d.Action == "" {
		return Record{}, fmt.Errorf("event %s: not an audit record", e.ID)
	}
	return Record{
		ID: d.ID, Time: d.Time, Service: d.Service, ActorKind: identity.Kind(d.ActorKind), ActorID: d.ActorID, ClientID: d.ClientID,
		Action: d.Action, SubjectKind: d.SubjectKind, SubjectID: d.SubjectID, Outcome: Outcome(d.Outcome),
		Address: d.Address, RequestID: d.RequestID, TraceID: d.TraceID, Details: d.Details,
	}, nil
}

// Write records r in the caller's transaction: in the service's own log, and as
// an event in its outbox.
func Write(ctx context.Context, tx bun.IDB, r Record) error {
	return WriteAll(ctx, tx, []Record{r})
}

// Insert records r in the service's own log alone. A record that is there
// already is an error.
func Insert(ctx context.Context, tx bun.IDB, r Record) error {
	return InsertAll(ctx, tx, []Record{r})
}
