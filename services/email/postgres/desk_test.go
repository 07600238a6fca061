package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/event"
	"gatehouse.example/internal/identity"
	"gatehouse.example/services/email"
)

// as returns the context of a request by a client.
func as(t *testing.T, client string) context.Context {
	t.Helper()
	return identity.WithPrincipal(t.Context(), identity.Principal{Kind: identity.KindClient, Subject: client, ClientID: client})
}

func (f *fixture) lines(t *testing.T, query string, args ...any) (lines []string) {
	t.Helper()
	if err := f.db.Bun.NewRaw(query, args...).Scan(t.Context(), &lines); err != nil {
		t.Fatal(err)
	}
	return lines
}

// records are the audit records as they are told to the log of all; the
// service may not read its own (internal/audit tests that both are written).
func (f *fixture) records(t *testing.T) []string {
	t.Helper()
	return f.lines(t, `SELECT concat_ws('|', d->>'action', d->>'actor_kind', d->>'actor_id', d->>'subject_kind', d->>'details')
		FROM outbox, LATERAL (SELECT event->'data' AS d) x ORDER BY seq`)
}

func record(ctx context.Context, t *testing.T, action string) audit.Record {
	t.Helper()
	r, err := audit.New(ctx, "email", action, "message", "m", start)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func newMessage(t *testing.T, m email.Message) email.Message {
	t.Helper()
	m, err := email.NewMessage(m, start)
	if err != nil {
		t.Fatal(err)
	}
	if m.IdempotencyKey == "" {
		m.IdempotencyKey = "message:" + m.ID
	}
	return m
}

func (f *fixture) submit(t *testing.T, m email.Message) email.Message {
	t.Helper()
	m, created, err := f.store.Submit(t.Context(), newMessage(t, m), []byte("x"), record(t.Context(), t, "message.sent_by_client"))
	if err != nil || !created {
		t.Fatalf("submit: %t, %v", created, err)
	}
	return m
}

func (f *fixture) finish(t *testing.T, m email.Message, o email.Outcome) {
	t.Helper()
	if err := f.store.Finish(t.Context(), m, o); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) byID(t *testing.T, id string) email.Message {
	t.Helper()
	m, err := f.store.ByID(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSubmitOnce(t *testing.T) {
	f := newFixture(t)
	m := email.Message{IdempotencyKey: "request:client:c:k", Template: "notice", Recipient: "ada@example.com", Data: map[string]string{"title": "Grüße"}}
	var mu sync.Mutex
	ids := map[string]bool{}
	created := 0
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			stored, fresh, err := f.store.Submit(t.Context(), newMessage(t, m), []byte("same"), record(as(t, "c"), t, "message.sent_by_client"))
			mu.Lock()
			defer mu.Unlock()
			if ids[stored.ID] = true; fresh {
				created++
			}
			if err != nil || stored.Data["title"] != "Grüße" {
				t.Errorf("submit: %+v, %v", stored, err)
			}
		})
	}
	wg.Wait()
	if len(ids) != 1 || created != 1 {
		t.Errorf("%d messages, created %d times", len(ids), created)
	}
	if _, _, err := f.store.Submit(t.Context(), newMessage(t, m), []byte("other"), record(as(t, "c"), t, "message.sent_by_client")); !errors.Is(err, email.ErrKeyReused) {
		t.Errorf("another request: %v", err)
	}
	if diff := cmp.Diff([]string{"message.sent_by_client|client|c|message"}, f.records(t)); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
}

func TestRequeue(t *testing.T) {
	f := newFixture(t)
	for _, state := range []email.State{email.StateFailed, email.StateSuppressed} {
		m := f.submit(t, email.Message{Template: "notice", Recipient: "ada@example.com", Data: map[string]string{"title": "x"}})
		first := f.claim(t, 1, start)[0]
		f.finish(t, first, email.Outcome{State: state, Reason: "why", At: start})
		again, err := f.store.Requeue(t.Context(), m.ID, start.Add(time.Minute), record(as(t, "c"), t, "message.resent"))
		if err != nil || again.State != email.StateQueued || again.Attempts != 0 || again.Reason != "" || again.Data["title"] != "x" {
			t.Fatalf("%s: %+v, %v", state, again, err)
		}
		if letters := f.deadLetters(t); len(letters) != 0 {
			t.Errorf("dead letters %v", letters)
		}
		if _, err := f.store.Requeue(t.Context(), m.ID, start, record(as(t, "c"), t, "message.resent")); !errors.Is(err, email.ErrNotResendable) {
			t.Errorf("twice: %v", err)
		}
		second := f.claim(t, 1, start.Add(time.Hour))[0]
		// The first life's sender comes to itself: its number is the same.
		if err := f.store.Finish(t.Context(), first, email.Outcome{State: email.StateFailed, At: start}); !errors.Is(err, email.ErrLeaseLost) {
			t.Errorf("a sender of the first life: %v", err)
		}
		f.finish(t, second, email.Outcome{State: email.StateSent, Recipient: "ada@example.com", Locale: "de", At: start})
		if got := f.byID(t, m.ID); got.State != email.StateSent || got.Locale != "de" || got.Data != nil {
			t.Errorf("sent: %+v", got)
		}
	}
	if got := len(f.records(t)); got != 4 {
		t.Errorf("%d audit records: %v", got, f.records(t))
	}
}

func userEvent(t *testing.T, typ, userID string, at time.Time) event.Event {
	t.Helper()
	e, err := event.New(event.SourceUser, typ, userID, event.UserDeleted{UserID: userID}, at)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestWithdraw(t *testing.T) {
	f := newFixture(t)
	user, other := uuid.NewString(), uuid.NewString()
	sending := f.submit(t, email.Message{Template: "notice", UserID: user, AddressOfAccount: true, Data: map[string]string{"title": "x"}})
	claimed := f.claim(t, 1, start)[0]
	queued := f.submit(t, email.Message{Template: "notice", UserID: user, AddressOfAccount: true, Data: map[string]string{"title": "x"}})
	others := f.submit(t, email.Message{Template: "notice", UserID: other, AddressOfAccount: true})
	e := userEvent(t, event.TypeUserDeleted, user, start.Add(time.Second))
	later, err := email.NewMessage(email.Message{IdempotencyKey: "later", Template: "account_restored", UserID: user, AddressOfAccount: true}, start.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.store.Submit(t.Context(), later, nil, record(t.Context(), t, "x.y")); err != nil {
		t.Fatal(err)
	}
	for range 2 { // it may come again
		if err := f.receiver.Handle(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	f.finish(t, claimed, email.Outcome{State: email.StateDeferred, Reason: "451", DueAt: start, At: start})
	got := map[string]email.State{}
	for name, m := range map[string]email.Message{"sending": sending, "queued": queued, "other's": others, "later": later} {
		got[name] = f.byID(t, m.ID).State
	}
	want := map[string]email.State{"sending": email.StateObsolete, "queued": email.StateObsolete, "other's": email.StateQueued, "later": email.StateQueued}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	if m := f.byID(t, queued.ID); m.Data != nil || m.Reason != "account deleted" {
		t.Errorf("withdrawn %+v", m)
	}
}

func TestForget(t *testing.T) {
	f := newFixture(t)
	user := uuid.NewString()
	m := f.submit(t, email.Message{Template: "email_changed", UserID: user, Recipient: "old@example.com"})
	claimed := f.claim(t, 1, start)[0]
	refused := f.suppression(t, "Old@Example.com", email.ReasonRefused, "service:email")
	f.finish(t, claimed, email.Outcome{State: email.StateFailed, Permanent: true, Recipient: "old@example.com", Reason: "550 5.1.1 old@example.com", Suppression: &refused, At: start})
	f.submit(t, email.Message{Template: "notice", UserID: user, Recipient: "asked@example.com"})
	f.suppress(t, "asked@example.com", "complaint")
	other := f.submit(t, email.Message{Template: "notice", Recipient: "bob@example.com"})
	e := userEvent(t, event.TypeUserErased, user, start)
	for range 2 {
		if err := f.receiver.Handle(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.store.ByID(t.Context(), m.ID); !errors.Is(err, email.ErrNotFound) {
		t.Errorf("a message is left: %v", err)
	}
	f.byID(t, other.ID)
	if left := f.lines(t, "SELECT address FROM suppressions"); len(left) != 1 || left[0] != "asked@example.com" {
		t.Errorf("suppressions %v", left)
	}
	for _, table := range []string{"messages", "dead_letters", "suppressions", "outbox"} {
		for _, row := range f.lines(t, "SELECT row_to_json(x)::text FROM "+table+" x") {
			if strings.Contains(strings.ToLower(row), "old@example.com") || table != "outbox" && strings.Contains(row, user) {
				t.Errorf("%s still knows: %s", table, row)
			}
		}
	}
	// A message of which the sender learns that its account is gone.
	gone := f.submit(t, email.Message{Template: "notice", UserID: user, Recipient: "old@example.com", Data: map[string]string{"title": "Ada"}})
	for _, m := range f.claim(t, 9, start) {
		f.finish(t, m, email.Outcome{State: email.StateObsolete, Recipient: m.Recipient, Forget: m.ID == gone.ID, At: start})
	}
	if got := f.byID(t, gone.ID); got.Recipient != "" || got.UserID != "" || got.Data != nil {
		t.Errorf("not forgotten: %+v", got)
	}
}

func (f *fixture) suppression(t *testing.T, address, reason, by string) email.Suppression {
	t.Helper()
	s, err := email.NewSuppression(as(t, "c"), address, reason, by, start)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (f *fixture) suppress(t *testing.T, address, reason string) email.Suppression {
	t.Helper()
	s, created, err := f.store.Suppress(t.Context(), f.suppression(t, address, reason, "client:c"))
	if err != nil || !created {
		t.Fatalf("suppress %s: %t, %v", address, created, err)
	}
	return s
}

func TestSuppressions(t *testing.T) {
	f := newFixture(t)
	first := f.suppress(t, "Ada@Example.com", "complaint")
	same, created, err := f.store.Suppress(t.Context(), f.suppression(t, "ada@EXAMPLE.com", "other", "client:d"))
	if err != nil || created || same.ID != first.ID || same.Reason != "complaint" {
		t.Errorf("another spelling: %+v, %t, %v", same, created, err)
	}
	if got, err := f.store.Suppression(t.Context(), "ADA@example.com"); err != nil || got.Address != "Ada@Example.com" || got.CreatedBy != "client:c" {
		t.Errorf("by another spelling: %+v, %v", got, err)
	}
	for i := range 4 {
		f.suppress(t, fmt.Sprintf("b%d@example.com", i), "manual")
	}
	var pages []string
	for after := ""; ; {
		page, err := f.store.Suppressions(t.Context(), after, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, s := range page {
			pages = append(pages, s.Address)
		}
		after = email.AddressKey(page[len(page)-1].Address)
	}
	if diff := cmp.Diff([]string{"Ada@Example.com", "b0@example.com", "b1@example.com", "b2@example.com", "b3@example.com"}, pages); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
	end := func(s email.Suppression) (audit.Record, error) { return email.UnsuppressedRecord(as(t, "c"), s, start) }
	if err := f.store.Unsuppress(t.Context(), "ada@example.com", end); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := f.store.Unsuppress(t.Context(), "ada@example.com", end); !errors.Is(err, email.ErrNotFound) {
			t.Errorf("twice: %v", err)
		}
	}
	records := strings.Join(f.records(t), "\n")
	if strings.Count(records, "suppression.created|client|c|suppression") != 5 || strings.Count(records, "suppression.deleted|client|c|suppression") != 1 || strings.Contains(records, "@") {
		t.Errorf("audit:\n%s", records)
	}
}

func TestSweep(t *testing.T) {
	f := newFixture(t)
	states := map[email.State]bool{ // whether it stays
		email.StateSent: false, email.StateFailed: false, email.StateSuppressed: false, email.StateObsolete: false, email.StateDeferred: true,
	}
	for state := range states {
		f.submit(t, email.Message{Template: "notice", Recipient: string(state) + "@example.com"})
		f.finish(t, f.claim(t, 1, start)[0], email.Outcome{State: state, DueAt: start.Add(24 * time.Hour), At: start})
	}
	f.submit(t, email.Message{Template: "notice", Recipient: "queued@example.com"})
	if n, err := f.store.Sweep(t.Context(), start); n != 0 || err != nil {
		t.Errorf("too early: %d, %v", n, err)
	}
	if n, err := f.store.Sweep(t.Context(), start.Add(time.Second)); n != 4 || err != nil {
		t.Errorf("%d removed, %v", n, err)
	}
	left := f.lines(t, "SELECT state FROM messages ORDER BY state")
	if diff := cmp.Diff([]string{"deferred", "queued"}, left); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if letters := f.deadLetters(t); len(letters) != 0 {
		t.Errorf("dead letters %v", letters)
	}
}
