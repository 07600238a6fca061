package app_test

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/bus"
	"gatehouse.example/internal/event"
	"gatehouse.example/internal/identity"
)

// The whole way: an event becomes a notification on a live stream of a person
// with a token, and the stream ends with the session.
func TestLiveNotification(t *testing.T) {
	f := newFixture(t)
	f.run(t)
	eventually(t, "ready", func() bool { return f.app.Ready(t.Context()) == nil })
	user := f.person(userapi.Account{Email: "ada@example.com", Status: userapi.StatusActive})
	p := identity.Principal{Kind: identity.KindUser, Subject: user, SessionID: uuid.NewString()}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.url+"/v1/notifications/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+f.token(p))
	r.Header.Set("Accept-Language", "de")
	response, err := f.gateway.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("stream: %d", response.StatusCode)
	}
	e, err := event.New(event.SourceAuth, event.TypeNewDevice, user, event.NewDevice{UserID: user, SessionID: p.SessionID}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := f.bus.Publish(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	told := false
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if strings.Contains(lines.Text(), `"title":"Neue Anmeldung"`) {
			told = true
			if err := f.bus.Revoke(t.Context(), bus.KindSession, p.SessionID, time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !told {
		t.Error("the stream ended without the notification")
	}
}

func TestLongLived(t *testing.T) {
	f := newFixture(t)
	for target, want := range map[string]bool{
		"GET /v1/notifications/stream": true, "HEAD /v1/notifications/stream?x=y": true, "POST /v1/notifications/stream": false,
		"GET /v1/notifications": false, "GET /v1/notifications/stream/": false, "GET /v1/messages": false,
	} {
		method, path, _ := strings.Cut(target, " ")
		r, err := http.NewRequestWithContext(t.Context(), method, "https://email"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.app.LongLived(r); got != want {
			t.Errorf("%s: %t", target, got)
		}
	}
}
