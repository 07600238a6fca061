// Package audit owns the audit log of all services: reading it (/v1/audit),
// taking in what other services recorded, and recording what happens without a
// change in the database.
//
// The form of a record, and how one is written in the transaction of a change,
// is in internal/audit; deleting records is left to whoever owns the database.
package audit

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/jsonhttp"
	"gatehouse.example/internal/rbac"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/rest"
)

// Reader finds records.
type Reader interface {
	// AuditRecord returns the record, or [auth.ErrNotFound].
	AuditRecord(ctx context.Context, id string) (audit.Record, error)
	// AuditRecords returns up to limit records that fit, the newest first,
	// from those before the id "before" on; "" begins with the newest.
	AuditRecords(ctx context.Context, f auth.AuditFilter, before string, limit int) ([]audit.Record, error)
}

// API is the endpoints of /v1/audit. It is safe for concurrent use.
type API struct{ store Reader }

// New returns the endpoints.
func New(store Reader) *API { return &API{store} }

// View is a record as it is answered.
type View struct {
	ID          string            `json:"id"`
	Time        time.Time         `json:"time"`
	Service     string            `json:"service"`
	ActorKind   string            `json:"actor_kind"`
	ActorID     string            `json:"actor_id"`
	ClientID    string            `json:"client_id"`
	Action      string            `json:"action"`
	SubjectKind string            `json:"subject_kind"`
	SubjectID   string            `json:"subject_id"`
	Outcome     string            `json:"outcome"`
	Address     string            `json:"address"`
	RequestID   string            `json:"request_id"`
	TraceID     string            `json:"trace_id"`
	Details     map[string]string `json:"details"`
}

func viewOf(r audit.Record) View {
	details := r.Details
	if details == nil {
		details = map[string]string{}
	}
	return View{
		ID: r.ID, Time: r.Time.UTC(), Service: r.Service, ActorKind: string(r.ActorKind), ActorID: r.ActorID, ClientID: r.ClientID, Action: r.Action,
		SubjectKind: r.SubjectKind, SubjectID: r.SubjectID, Outcome: string(r.Outcome), Address: r.Address, RequestID: r.RequestID, TraceID: r.TraceID,
		Details: details,
	}
}

// List answers GET /v1/audit.
func (a *API) List(w http.ResponseWriter, r *http.Request) {
	list, err := a.list(r)
	if err != nil {
		rest.Fail(w, r, err)
		return
	}
	rest.Write(w, r, http.StatusOK, list)
}

func (a *API) list(r *http.Request) (jsonhttp.List[View], error) {
	if err := need(r); err != nil {
		return jsonhttp.List[View]{}, err
	}
	filter, err := readFilter(r.URL.RawQuery)
	if err != nil {
		return jsonhttp.List[View]{}, err
	}
	page, err := rest.ReadPage(r, slices.Collect(maps.Keys(parameters))...)
	if err != nil {
		return jsonhttp.List[View]{}, err
	}
	found, err := a.store.AuditRecords(r.Context(), filter, page.After, page.Limit+1)
	if err != nil {
		return jsonhttp.List[View]{}, err
	}
	return jsonhttp.NewList(found, page.Limit, viewOf, func(r audit.Record) string { return r.ID }), nil
}

// Read answers GET /v1/audit/{id}.
func (a *API) Read(w http.ResponseWriter, r *http.Request) {
	err := need(r)
	var record audit.Record
	if err == nil {
		record, err = a.store.AuditRecord(r.Context(), r.PathValue("id"))
	}
	if err != nil {
		rest.Fail(w, r, err)
		return
	}
	rest.Write(w, r, http.StatusOK, viewOf(record))
}

func need(r *http.Request) error {
	if rbac.Allowed(identity.PrincipalFrom(r.Context()), rbac.AuditRead) {
		return nil
	}
	return rest.Lacks(rbac.AuditRead)
}
