package rest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse.example/configs/templates"
	"gatehouse.example/internal/database"
	"gatehouse.example/internal/database/databasetest"
	"gatehouse.example/internal/event"
	"gatehouse.example/internal/identity"
	"gatehouse.example/migrations"
	"gatehouse.example/services/email"
	"gatehouse.example/services/email/postgres"
	"gatehouse.example/services/email/render"
	"gatehouse.example/services/email/rest"
)

// fixture is the API on a real store. Only the user service is played.
type fixture struct {
	http.Handler
	db    *database.DB
	store *postgres.Store
	users users
}

// users are the accounts that there are; an error makes the service away.
type users map[string]email.Account

func (u users) Account(_ context.Context, id string) (email.Account, error) {
	account, ok := u[id]
	switch {
	case u == nil:
		return email.Account{}, errors.New("connection refused")
	case !ok:
		return email.Account{}, email.ErrNoAccount
	}
	return account, nil
}

// ada is a user that exists.
const ada = "0190a5a5-0000-7000-8000-000000000001"

func newHandler(t *testing.T, messages int) *fixture {
	t.Helper()
	db := databasetest.New(t, database.MigrationSet{Service: "email", Schema: "email", Role: "gatehouse_email", FS: migrations.Email})
	store := postgres.New(db)
	receiver := email.NewReceiver(store, nil, nil)
	for i := range messages {
		e, err := event.New(event.SourceAuth, event.TypeVerificationRequested, "ada", event.VerificationRequested{
			ChallengeID: fmt.Sprint("c", i), UserID: uuid.NewString(), Email: fmt.Sprintf("u%d@example.com", i), Purpose: "verify_email",
		}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if err := receiver.Handle(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	return newAPI(t, db, users{ada: {Email: "ada@example.com"}})
}

func newAPI(t *testing.T, db *database.DB, people users) *fixture {
	t.Helper()
	texts, err := render.Load(templates.FS())
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{db: db, store: postgres.New(db), users: people}
	desk := email.NewDesk(email.DeskOptions{Store: f.store, Archive: f.store, Catalog: texts, Accounts: f.users, Suppressions: f.store})
	f.Handler = rest.New(rest.Options{Archive: f.store, Desk: desk, Catalog: texts, Suppressions: f.store})
	return f
}

func get(t *testing.T, h http.Handler, p identity.Principal, path string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r.WithContext(identity.WithPrincipal(context.Background(), p)))
	return w
}

var reader = identity.Principal{Kind: identity.KindClient, Subject: "c", Scopes: []string{"messages:read"}}

func TestAccess(t *testing.T) {
	h := newHandler(t, 0)
	tests := []struct {
		name      string
		principal identity.Principal
		path      string
		want      int
	}{
		{"nobody", identity.Principal{}, "/v1/messages", 401},
		{"nobody elsewhere", identity.Principal{}, "/v1/notifications", 401},
		{"client without the scope", identity.Principal{Kind: identity.KindClient, Scopes: []string{"users:read"}}, "/v1/messages", 403},
		{"user without the role", identity.Principal{Kind: identity.KindUser, Scopes: []string{"messages:read"}, Roles: []string{"user"}}, "/v1/messages", 403},
		{"administrator without the scope", identity.Principal{Kind: identity.KindUser, Scopes: []string{"openid"}, Roles: []string{"admin"}}, "/v1/messages", 403},
		{"administrator", identity.Principal{Kind: identity.KindUser, Scopes: []string{"messages:read"}, Roles: []string{"admin"}}, "/v1/messages", 200},
		{"client", reader, "/v1/messages", 200},
		{"admin client", identity.Principal{Kind: identity.KindClient, Scopes: []string{"admin"}}, "/v1/messages", 200},
		{"unknown path", reader, "/v1/template", 404},
		{"templates", reader, "/v1/templates", 200},
		{"template", reader, "/v1/templates/notice", 200},
		{"unknown template", reader, "/v1/templates/no_such", 404},
		{"suppressions", reader, "/v1/messages/suppressions", 200},
		{"limit of suppressions", reader, "/v1/messages/suppressions?limit=-1", 400},
		{"cursor of suppressions", reader, "/v1/messages/suppressions?cursor=AA", 400},
		{"unknown message", reader, "/v1/messages/" + uuid.NewString(), 404},
		{"malformed id", reader, "/v1/messages/1", 404},
		{"id as a URN", reader, "/v1/messages/urn:uuid:" + uuid.NewString(), 404},
		{"id between other characters", reader, "/v1/messages/x" + uuid.NewString() + "x", 404},
		{"limit", reader, "/v1/messages?limit=0", 400},
		{"limit too high", reader, "/v1/messages?limit=201", 400},
		{"cursor", reader, "/v1/messages?cursor=%00", 400},
		{"state", reader, "/v1/messages?state=lost", 400},
		{"user", reader, "/v1/messages?user_id=1", 400},
		{"user in another form", reader, "/v1/messages?user_id=urn:uuid:" + uuid.NewString(), 400},
		{"template's name", reader, "/v1/messages?template=%FF%00", 400},
		{"template of no message", reader, "/v1/messages?template=notice", 200},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := get(t, h, test.principal, test.path)
			if w.Code != test.want {
				t.Fatalf("status %d, want %d: %s", w.Code, test.want, w.Body)
			}
			if test.want >= 400 && w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("content type %q", w.Header().Get("Content-Type"))
			}
			if test.want == 401 && !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("WWW-Authenticate %q", w.Header().Get("WWW-Authenticate"))
			}
		})
	}
	if w := get(t, h, reader, "/v1/messages"); w.Body.String() != `{"items":[],"next_cursor":null}`+"\n" {
		t.Errorf("empty list: %s", w.Body)
	}
}

func TestPages(t *testing.T) {
	h := newHandler(t, 5)
	var recipients []string
	path, pages := "/v1/messages?limit=2", 0
	for {
		var page struct {
			Items []struct {
				ID, Recipient, State string
				NextAttemptAt        *time.Time `json:"next_attempt_at"`
			}
			NextCursor *string `json:"next_cursor"`
		}
		w := get(t, h, reader, path)
		if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
			t.Fatalf("%s: %v", w.Body, err)
		}
		pages++
		for _, item := range page.Items {
			recipients = append(recipients, item.Recipient)
			if item.State != "queued" || item.NextAttemptAt == nil {
				t.Errorf("item %+v", item)
			}
			if one := get(t, h, reader, "/v1/messages/"+item.ID); one.Code != 200 || !strings.Contains(one.Body.String(), item.Recipient) {
				t.Errorf("message %s: %d %s", item.ID, one.Code, one.Body)
			}
		}
		if page.NextCursor == nil {
			break
		}
		path = "/v1/messages?limit=2&cursor=" + *page.NextCursor
	}
	got := strings.Join(recipients, " ")
	if pages != 3 || got != "u4@example.com u3@example.com u2@example.com u1@example.com u0@example.com" {
		t.Errorf("%d pages: %s", pages, got)
	}
}
