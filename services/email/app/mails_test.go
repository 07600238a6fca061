package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/uuid"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/event"
	"gatehouse.example/internal/identity"
	"gatehouse.example/services/email/app"
)

func (f *fixture) publish(t *testing.T, typ, subject string, data any) event.Event {
	t.Helper()
	e, err := event.New(event.SourceUser, typ, subject, data, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := f.bus.Publish(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	return e
}

var admin = identity.Principal{Kind: identity.KindClient, Subject: "shop", ClientID: "shop", Scopes: []string{"admin"}}

func (f *fixture) post(t *testing.T, path, body string) (int, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+f.token(admin))
	response, err := f.gateway.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, data
}

func (f *fixture) count(t *testing.T, query string, args ...any) (n int) {
	t.Helper()
	if err := f.db.Bun.NewRaw(query, args...).Scan(t.Context(), &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// Each event becomes one mail, where the person is now or was before, in its
// language.
func TestMailsOfEvents(t *testing.T) {
	f := newFixture(t)
	f.run(t)
	events := []struct {
		typ     string
		data    func(id string) any
		old     bool // to the former address
		subject string
		text    string
	}{
		{event.TypeEmailChangeRequested, func(id string) any {
			return event.EmailChangeRequested{UserID: id, OldEmail: id + "@old.example", Email: "new@example.com", Address: "192.0.2.1"}
		}, true, "Your email address is about to change", "new@example.com"},
		{event.TypeUserEmailChanged, func(id string) any {
			return event.UserEmailChanged{UserID: id, OldEmail: id + "@old.example", Email: "new@example.com"}
		}, true, "Your email address has changed", "new@example.com"},
		{event.TypePasswordChanged, func(id string) any {
			return event.PasswordChanged{UserID: id, Reason: "change", Address: "192.0.2.1"}
		}, false, "Your password has changed", "IP address: 192.0.2.1"},
		{event.TypeNewDevice, func(id string) any {
			return event.NewDevice{UserID: id, UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"}
		}, false, "New sign-in to your account", "Browser: Firefox"},
		{event.TypeUserRolesChanged, func(id string) any {
			return event.UserRolesChanged{UserID: id, Added: []string{"editor"}, Roles: []string{"editor", "user"}}
		}, false, "Your roles have changed", "New roles: editor"},
		{event.TypeIdentityLinked, func(id string) any { return event.IdentityLinked{UserID: id, Provider: "corp"} }, false, "Another way to sign in", "corp"},
		{event.TypeIdentityUnlinked, func(id string) any { return event.IdentityUnlinked{UserID: id, Provider: "corp"} }, false, "A way to sign in was removed", "corp"},
		{event.TypeUserRestored, func(id string) any { return event.UserRestored{UserID: id} }, false, "Your account is back", "restored"},
	}
	for _, e := range events {
		id := uuid.NewString()
		f.person(userapi.Account{ID: id, Email: id + "@example.com", Locale: "en-GB", Status: userapi.StatusActive})
		published := f.publish(t, e.typ, id, e.data(id))
		// The same event again is the same cause.
		if err := f.bus.Publish(t.Context(), published); err != nil {
			t.Fatal(err)
		}
		to := id + "@example.com"
		if e.old {
			to = id + "@old.example"
		}
		if mail := f.mailTo(t, to); mail.Subject != e.subject || !strings.Contains(mail.Text, e.text) || !strings.Contains(mail.HTML, "<h1") {
			t.Errorf("%s: %+v", e.typ, mail)
		}
	}
	suspended := f.person(userapi.Account{Email: "sue@example.com", Locale: "de", Status: userapi.StatusSuspended})
	f.publish(t, event.TypeUserSuspended, suspended, event.UserSuspended{UserID: suspended, Reason: "known only to us"})
	if mail := f.mailTo(t, "sue@example.com"); mail.Subject != "Ihr Konto ist gesperrt" || strings.Contains(mail.Text, "known only") {
		t.Errorf("suspended: %+v", mail)
	}
	gone := uuid.NewString()
	f.publish(t, event.TypePasswordChanged, gone, event.PasswordChanged{UserID: gone, Reason: "reset"})
	f.waitState(t, "obsolete")
	if n := len(f.mails(t, "")); n != len(events)+1 {
		t.Errorf("%d mails, want %d", n, len(events)+1)
	}
}

// A deleted person gets no mail that waits, an erased one leaves nothing.
func TestDeletedAndErased(t *testing.T) {
	f := newFixture(t)
	id := f.person(userapi.Account{Email: "ada@example.com", Status: userapi.StatusActive})
	code, body := f.post(t, "/v1/messages", `{"template":"notice","user_id":"`+id+`","data":{"title":"Secret plans","text":"x"}}`)
	if code != 202 {
		t.Fatalf("%d %s", code, body)
	}
	f.publish(t, event.TypeUserDeleted, id, event.UserDeleted{UserID: id})
	// Not yet running: whatever order the two are seen in, no mail may go out.
	f.mu.Lock()
	delete(f.people, id)
	f.mu.Unlock()
	f.run(t)
	f.waitState(t, "obsolete")
	f.publish(t, event.TypeUserErased, id, event.UserErased{UserID: id})
	eventually(t, "nothing left", func() bool {
		return !strings.Contains(strings.Join(f.rows(t, "messages"), "\n"), id)
	})
	if rows := strings.Join(f.rows(t, "messages"), "\n"); strings.Contains(rows, "Secret plans") || strings.Contains(rows, "ada@") {
		t.Errorf("messages: %s", rows)
	}
	if n := len(f.mails(t, "")); n != 0 {
		t.Errorf("%d mails", n)
	}
}

// Preferences hold for notices; what an API client sends is audited for all.
func TestNoticeByClient(t *testing.T) {
	f := newFixture(t)
	f.run(t)
	id := f.person(userapi.Account{Email: "ada@example.com", Locale: "de", Status: userapi.StatusActive})
	body := `{"template":"notice","user_id":"` + id + `","data":{"title":"Neues <b>","text":"Zeile","link":"https://shop.example/?a=1&b=2"}}`
	if code, answer := f.post(t, "/v1/messages", body); code != 202 {
		t.Fatalf("%d %s", code, answer)
	}
	mail := f.mailTo(t, "ada@example.com")
	if mail.Subject != "Neues <b>" || !strings.Contains(mail.HTML, "Neues &lt;b&gt;") || !slices.Contains(mail.Links, "https://shop.example/?a=1&b=2") {
		t.Errorf("mail %+v", mail)
	}
	eventually(t, "the audit record to be told", func() bool {
		return f.count(t, "SELECT count(*) FROM outbox WHERE published_at IS NOT NULL AND event->'data'->>'action' = 'message.sent_by_client'") == 1
	})
	patch, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, f.url+"/v1/notifications/preferences", strings.NewReader(`{"categories":{"product":{"email":false}}}`))
	if err != nil {
		t.Fatal(err)
	}
	patch.Header.Set("Content-Type", "application/merge-patch+json")
	patch.Header.Set("Authorization", "Bearer "+f.token(identity.Principal{Kind: identity.KindUser, Subject: id, Scopes: []string{"openid"}, Roles: []string{"user"}}))
	response, err := f.gateway.Do(patch)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("preferences: %d", response.StatusCode)
	}
	if code, answer := f.post(t, "/v1/messages", body); code != 202 {
		t.Fatalf("%d %s", code, answer)
	}
	f.waitState(t, "suppressed")
	if rows := strings.Join(f.rows(t, "messages"), "\n"); !strings.Contains(rows, `"reason":"preference"`) {
		t.Errorf("messages: %s", rows)
	}
	// What is about security comes all the same.
	f.publish(t, event.TypePasswordChanged, id, event.PasswordChanged{UserID: id, Reason: "change"})
	eventually(t, "a second mail", func() bool { return len(f.mails(t, "ada@example.com")) == 2 })
}

// Two processes on one queue: each message is claimed once.
func TestTwoProcesses(t *testing.T) {
	f := newFixture(t)
	const n = 60
	for i := range n {
		f.request(t, fmt.Sprint("c", i), fmt.Sprintf("u%d@example.com", i))
	}
	f.run(t)
	runApp(t, f.newApp(t, nil))
	eventually(t, "all mails", func() bool { return f.count(t, "SELECT count(*) FROM messages WHERE state = 'sent'") == n })
	if more := f.count(t, "SELECT count(*) FROM messages WHERE attempts <> 1"); more != 0 {
		t.Errorf("%d messages were claimed more than once", more)
	}
	if got := len(f.mails(t, "")); got > n {
		t.Errorf("%d mails", got)
	}
	if n := f.count(t, "SELECT count(*) FROM leases WHERE name = 'email-sweep'"); n != 1 {
		t.Errorf("the sweeper has %d leases", n)
	}
}

// A process that died while it sent: its message waits for the end of the lease
// and is then sent by another.
func TestTakesOverAfterTheLease(t *testing.T) {
	f := newFixture(t)
	id := uuid.NewString()
	_, err := f.db.Bun.NewRaw(`INSERT INTO messages (id, idempotency_key, template, locale, recipient, challenge_id, state, attempts, due_at, created_at, updated_at)
		VALUES (?, 'challenge:x', 'verify_email', '', 'ada@example.com', 'x', 'sending', 1, now() + interval '2 seconds', now(), now())`, id).Exec(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f.run(t)
	f.request(t, "c1", "bob@example.com")
	f.mailTo(t, "bob@example.com")
	f.mailTo(t, "ada@example.com")
	eventually(t, "its second attempt to be recorded, after the lease", func() bool {
		return f.count(t, "SELECT count(*) FROM messages WHERE id = ? AND attempts = 2 AND sent_at >= created_at + interval '2 seconds'", id) == 1
	})
}

func TestOldMessagesAreRemoved(t *testing.T) {
	f := newFixture(t)
	_, err := f.db.Bun.NewRaw(`INSERT INTO messages (id, idempotency_key, template, locale, recipient, state, due_at, created_at, updated_at)
		SELECT gen_random_uuid(), state, 'notice', '', 'x@example.com', state, now() + interval '1 hour', now() - interval '91 days', now() - interval '91 days'
		FROM unnest(ARRAY['sent', 'failed', 'queued']) state`).Exec(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f.run(t)
	eventually(t, "the sweep", func() bool { return f.count(t, "SELECT count(*) FROM messages") == 1 })
	f.waitState(t, "queued")
}

func TestOwnTemplates(t *testing.T) {
	f := newFixture(t)
	own := f.newApp(t, func(o *app.Options) {
		o.Templates = fstest.MapFS{
			"en/order/meta.yaml":        {Data: []byte("category: orders\napi: true\nvariables: [{name: number, required: true}]\n")},
			"en/order/subject.txt":      {Data: []byte("Your order {{.Data.number}}")},
			"en/order/body.txt":         {Data: []byte("Thank you.")},
			"en/order/body.html":        {Data: []byte("<p>Thank you for {{.Data.number}}.</p>")},
			"en/new_device/subject.txt": {Data: []byte("Acme: a new device")},
			"en/new_device/body.txt":    {Data: []byte("{{.Data.browser}}")},
			"en/new_device/body.html":   {Data: []byte("{{.Data.browser}}")},
		}
	})
	runApp(t, own)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/messages", bytes.NewBufferString(`{"template":"order","to":"ada@example.com","data":{"number":"<7>"}}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	serve(t, f, own.Handler(), r, http.StatusAccepted)
	if mail := f.mailTo(t, "ada@example.com"); mail.Subject != "Your order <7>" || !strings.Contains(mail.HTML, "&lt;7&gt;") {
		t.Errorf("own: %+v", mail)
	}
	id := f.person(userapi.Account{Email: "bob@example.com", Status: userapi.StatusActive})
	f.publish(t, event.TypeNewDevice, id, event.NewDevice{UserID: id})
	if mail := f.mailTo(t, "bob@example.com"); mail.Subject != "Acme: a new device" {
		t.Errorf("replaced: %+v", mail)
	}
	f.publish(t, event.TypePasswordChanged, id, event.PasswordChanged{UserID: id, Reason: "change"})
	eventually(t, "a built-in mail", func() bool { return len(f.mails(t, "bob@example.com")) == 2 })
}

// The receiver says that there is no such mailbox: through the plugin process
// that becomes a suppression, and an administrator can end it.
func TestRefusedMailbox(t *testing.T) {
	f := newFixture(t)
	port := mailServer(t, func() {})
	smtp := f.newApp(t, func(o *app.Options) {
		o.Config = smtpTransport(o.Config, port)
	})
	runApp(t, smtp)
	f.request(t, "c1", "nobody@example.com")
	f.waitState(t, "failed")
	f.request(t, "c2", "Nobody@example.com")
	f.waitState(t, "suppressed")
	f.request(t, "c3", "ada@example.com")
	f.waitState(t, "sent")
	status, body := f.get(t, "/v1/messages/suppressions", f.token(admin))
	if status != http.StatusOK || !bytes.Contains(body, []byte(`"address":"nobody@example.com","reason":"recipient_refused"`)) {
		t.Errorf("suppressions: %d %s", status, body)
	}
	var page struct{ Items []struct{ ID string } }
	_, body = f.get(t, "/v1/messages?state=suppressed", f.token(admin))
	if err := json.Unmarshal(body, &page); err != nil || len(page.Items) != 1 {
		t.Fatalf("suppressed: %s", body)
	}
	resend := "/v1/messages/" + page.Items[0].ID + "/resend"
	if status, body := f.post(t, resend, ""); status != http.StatusConflict {
		t.Errorf("while suppressed: %d %s", status, body)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, "/v1/messages/suppressions/nobody@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, f, smtp.Handler(), r, http.StatusNoContent)
	if status, body := f.post(t, resend, ""); status != http.StatusAccepted {
		t.Errorf("resend: %d %s", status, body)
	}
}

// serve sends r to another process' handler, as the gateway does.
func serve(t *testing.T, f *fixture, h http.Handler, r *http.Request, want int) {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.TLS = f.own.ServerTLS()
	server.StartTLS()
	defer server.Close()
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	r.URL.Scheme, r.URL.Host = at.Scheme, at.Host
	r.Header.Set("Authorization", "Bearer "+f.token(admin))
	response, err := f.gateway.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != want {
		body, _ := io.ReadAll(response.Body)
		t.Fatalf("%s %s: %d, want %d: %s", r.Method, r.URL.Path, response.StatusCode, want, body)
	}
}

func TestOperations(t *testing.T) {
	f := newFixture(t)
	operations := f.app.Operations()
	for _, want := range []string{"GET /v1/messages", "POST /v1/messages/{id}/resend", "DELETE /v1/messages/suppressions/{address}", "GET /v1/templates/{name}", "GET /v1/notifications"} {
		if !slices.Contains(operations, want) {
			t.Errorf("%s is not among %v", want, operations)
		}
	}
	sorted := slices.Sorted(slices.Values(operations))
	if len(slices.Compact(sorted)) != len(operations) {
		t.Errorf("something is there twice: %v", operations)
	}
	// Each is mounted, and none without a credential.
	for _, operation := range operations {
		method, path, _ := strings.Cut(operation, " ")
		path = strings.NewReplacer("{id}", uuid.NewString(), "{address}", "a@example.com", "{name}", "notice").Replace(path)
		if code, _ := f.ask(t, method, path, ""); code != http.StatusUnauthorized {
			t.Errorf("%s as nobody: %d", operation, code)
		}
		code, body := f.ask(t, method, path, f.token(admin))
		if code == http.StatusMethodNotAllowed || code >= 500 || strings.Contains(body, "nothing at this path") {
			t.Errorf("%s: %d %s", operation, code, body)
		}
	}
}

func (f *fixture) ask(t *testing.T, method, path, token string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, f.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := f.gateway.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// A folder that does not hold together is found at the start.
func TestBrokenTemplates(t *testing.T) {
	f := newFixture(t)
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "en", "order"), 0o755); err != nil {
		t.Fatal(err)
	}
	o := f.appOptions(t)
	o.Templates = os.DirFS(dir)
	if _, err := app.New(t.Context(), o); err == nil || !strings.Contains(err.Error(), "en/order/meta.yaml") {
		t.Errorf("New: %v", err)
	}
}
