package app_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/audit/refusals"
	"gatehouse.example/internal/bus"
	"gatehouse.example/internal/event"
	"gatehouse.example/internal/identity"
)

// TestRefusalsAreRecorded: both APIs of the service tell the log of all whom
// they refused what.
func TestRefusalsAreRecorded(t *testing.T) {
	f := newFixture(t)
	f.run(t)
	told := make(chan audit.Record, 100)
	consuming, stop := context.WithCancel(t.Context())
	consumed := make(chan error, 1)
	go func() {
		consumed <- f.bus.Consume(consuming, bus.Consumer{
			Name: "test", Types: []string{event.TypeAuditRecorded},
			Handle: func(_ context.Context, e event.Event) error {
				r, err := audit.FromEvent(e)
				told <- r
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
	p := identity.Principal{Kind: identity.KindUser, Subject: uuid.NewString(), SessionID: "s1", Scopes: []string{"openid"}}
	for _, c := range [][3]string{
		{"GET", "/v1/messages/x1", "GET /v1/messages/{id}"},
		{"POST", "/v1/notifications", "POST /v1/notifications"},
	} {
		for range 3 {
			r, err := http.NewRequestWithContext(t.Context(), c[0], f.url+c[1], nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+f.token(p))
			response, err := f.gateway.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if response.StatusCode != http.StatusForbidden {
				t.Fatalf("%s %s: %d", c[0], c[1], response.StatusCode)
			}
		}
		select {
		case r := <-told:
			if r.Service != "email" || r.Action != refusals.Action || r.Outcome != audit.Denied || r.ActorID != p.Subject || r.SubjectID != c[2] ||
				r.Details["path"] != c[1] || r.Details["code"] == "" || r.Details[audit.DetailSession] != "s1" {
				t.Errorf("record %+v", r)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("%s: nothing is recorded", c[2])
		}
	}
	if len(told) > 0 {
		t.Errorf("the same once more: %+v", <-told)
	}
}
