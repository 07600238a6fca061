package app_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/audit/refusals"
	"gatehouse.example/internal/bus"
	"gatehouse.example/internal/event"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/rbac"
)

// TestRefusalsAreRecorded: what somebody may not do is told to the log of all,
// with who it was and why it was refused.
func TestRefusalsAreRecorded(t *testing.T) {
	f := setUpLive(t)
	auth := f.client(t, "auth")
	boss, ada := uuid.Must(uuid.NewV7()).String(), uuid.Must(uuid.NewV7()).String()
	for id, roles := range map[string][]string{boss: {rbac.RoleAdmin}, ada: nil} {
		if _, err := auth.CreateAccount(t.Context(), userapi.NewAccount{ID: id, Email: id + "@example.com", EmailVerified: true, Roles: roles}); err != nil {
			t.Fatal(err)
		}
	}
	told := make(chan audit.Record, 100)
	consuming, stop := context.WithCancel(t.Context())
	consumed := make(chan error, 1)
	go func() {
		consumed <- f.bus.Consume(consuming, bus.Consumer{
			Name: "test", Types: []string{event.TypeAuditRecorded},
			Handle: func(_ context.Context, e event.Event) error {
				r, err := audit.FromEvent(e)
				if err == nil && r.Action == refusals.Action {
					told <- r
				}
				return err
			},
		})
	}()
	defer func() {
		stop()
		if err := <-consumed; err != nil {
			t.Error(err)
		}
	}()

	person := identity.Principal{Kind: identity.KindUser, Subject: ada, ClientID: "app", SessionID: "s1", TokenID: "t1", Scopes: []string{"openid"}}
	partner := identity.Principal{Kind: identity.KindClient, Subject: "partner", ClientID: "partner", TokenID: "k1", Scopes: []string{rbac.RolesWrite, rbac.UsersWrite}}
	admin := identity.Principal{Kind: identity.KindUser, Subject: boss, ClientID: "console", SessionID: "s2", Scopes: []string{rbac.RolesWrite}, Roles: []string{rbac.RoleAdmin}}
	for _, c := range []struct {
		by                     identity.Principal
		method, path, body     string
		status                 int
		operation, code, which string
	}{
		{person, "GET", "/v1/users/" + boss, "", 403, "GET /v1/users/{id}", "forbidden", "s1"},
		{partner, "PUT", "/v1/users/" + ada + "/roles", `{"roles":["admin"]}`, 403, "PUT /v1/users/{id}/roles", "escalation", "k1"},
		{partner, "PATCH", "/v1/users/" + boss, `{"email":"evil@example.com"}`, 403, "PATCH /v1/users/{id}", "outranked", "k1"},
		{admin, "PUT", "/v1/users/" + boss + "/roles", `{"roles":[]}`, 409, "PUT /v1/users/{id}/roles", "last_admin", "s2"},
	} {
		for range 3 {
			if status, text := f.send(t, c.by, c.method, c.path, c.body); status != c.status {
				t.Fatalf("%s %s: %d %s", c.method, c.path, status, text)
			}
		}
		r := next(t, told)
		credential := audit.DetailSession
		if c.by.SessionID == "" {
			credential = audit.DetailCredential
		}
		want := audit.Record{
			ID: r.ID, Time: r.Time, Service: "user", ActorKind: c.by.Kind, ActorID: c.by.Subject, ClientID: c.by.ClientID,
			Action: "request.denied", SubjectKind: "operation", SubjectID: c.operation, Outcome: audit.Denied,
			Details: map[string]string{"path": c.path, "code": c.code, credential: c.which},
		}
		if diff := cmp.Diff(want, r); diff != "" {
			t.Error(diff)
		}
	}
	if len(told) > 0 {
		t.Errorf("the same once more: %+v", <-told)
	}
}
