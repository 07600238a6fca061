package postgres_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"gatehouse.example/internal/database"
	"gatehouse.example/internal/database/databasetest"
	"gatehouse.example/internal/event"
	"gatehouse.example/migrations"
	"gatehouse.example/services/email"
	"gatehouse.example/services/email/postgres"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

type fixture struct {
	db       *database.DB
	store    *postgres.Store
	receiver *email.Receiver
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	db := databasetest.New(t, database.MigrationSet{Service: "email", Schema: "email", Role: "gatehouse_email", FS: migrations.Email})
	store := postgres.New(db)
	return &fixture{db: db, store: store, receiver: email.NewReceiver(store, func() time.Time { return start }, nil)}
}

func requested(t *testing.T, challenge string) event.Event {
	t.Helper()
	e, err := event.New(event.SourceAuth, event.TypeVerificationRequested, "ada", event.VerificationRequested{
		ChallengeID: challenge, UserID: uuid.NewString(), Email: "ada@example.com", Locale: "de",
		Purpose: "verify_email", ExpiresAt: start.Add(time.Hour),
	}, start)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (f *fixture) enqueue(t *testing.T, challenges ...string) {
	t.Helper()
	for _, challenge := range challenges {
		if err := f.receiver.Handle(t.Context(), requested(t, challenge)); err != nil {
			t.Fatal(err)
		}
	}
}

func (f *fixture) claim(t *testing.T, limit int, now time.Time) []email.Message {
	t.Helper()
	messages, err := f.store.Claim(t.Context(), limit, now, now.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	return messages
}

func (f *fixture) deadLetters(t *testing.T) (lines []string) {
	t.Helper()
	err := f.db.Bun.NewRaw(`SELECT format('%s|%s|%s|%s', message_id, reason, permanent, attempts) FROM dead_letters`).Scan(t.Context(), &lines)
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestOneMessagePerCause(t *testing.T) {
	f := newFixture(t)
	e := requested(t, "c1")
	// The same event again, and another event for the same challenge.
	for _, e := range []event.Event{e, e, requested(t, "c1")} {
		if err := f.receiver.Handle(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	got, err := f.store.List(t.Context(), email.Query{Limit: 10})
	if err != nil || len(got) != 1 {
		t.Fatalf("%d messages, %v", len(got), err)
	}
	want := email.Message{
		ID: got[0].ID, UserID: got[0].UserID, IdempotencyKey: "challenge:c1", Template: "verify_email", Locale: "de",
		Recipient: "ada@example.com", ChallengeID: "c1", State: email.StateQueued,
		DueAt: start, CreatedAt: start, UpdatedAt: start,
	}
	if diff := cmp.Diff(want, got[0]); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
}

func TestMalformedEventIsNotConsumed(t *testing.T) {
	f := newFixture(t)
	for _, data := range []string{
		`{}`, `[]`, `{"challenge_id":"c","purpose":"verify_email","email":"not an address"}`,
		`{"challenge_id":"c","purpose":"verify_email","email":"Ada <ada@example.com>"}`,
		`{"challenge_id":"c","purpose":"verify_email","email":"ada@example.com","user_id":"7"}`,
	} {
		e := requested(t, "c")
		e.Data = []byte(data)
		if err := f.receiver.Handle(t.Context(), e); !errors.Is(err, email.ErrMalformed) {
			t.Errorf("data %s: %v", data, err)
		}
		var n int
		if err := f.db.Bun.NewRaw("SELECT count(*) FROM consumed_events").Scan(t.Context(), &n); err != nil || n != 0 {
			t.Errorf("data %s: %d events consumed, %v", data, n, err)
		}
	}
}

func TestClaimsEachMessageOnce(t *testing.T) {
	f := newFixture(t)
	for i := range 40 {
		f.enqueue(t, fmt.Sprint("c", i))
	}
	var mu sync.Mutex
	seen := map[string]int{}
	var claimers sync.WaitGroup
	for range 4 {
		claimers.Go(func() {
			for {
				messages, err := f.store.Claim(t.Context(), 3, start, start.Add(time.Minute))
				if err != nil {
					t.Error(err)
				}
				if len(messages) == 0 {
					return
				}
				mu.Lock()
				for _, m := range messages {
					seen[m.ID]++
				}
				mu.Unlock()
			}
		})
	}
	claimers.Wait()
	if len(seen) != 40 {
		t.Errorf("%d messages claimed, want 40", len(seen))
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("message %s claimed %d times", id, n)
		}
	}
}

func TestLeaseOfDeadSenderEnds(t *testing.T) {
	f := newFixture(t)
	f.enqueue(t, "c1")
	first := f.claim(t, 5, start)
	if len(first) != 1 || first[0].State != email.StateSending || first[0].Attempts != 1 {
		t.Fatalf("claimed %+v", first)
	}
	if again := f.claim(t, 5, start.Add(59*time.Second)); len(again) != 0 {
		t.Fatalf("claimed within the lease: %+v", again)
	}
	second := f.claim(t, 5, start.Add(61*time.Second))
	if len(second) != 1 || second[0].Attempts != 2 {
		t.Fatalf("claimed after the lease: %+v", second)
	}
	// The first sender was only slow: its outcome must not count.
	sent := email.Outcome{State: email.StateSent, At: start}
	if err := f.store.Finish(t.Context(), first[0], sent); !errors.Is(err, email.ErrLeaseLost) {
		t.Fatalf("late outcome: %v", err)
	}
	if err := f.store.Finish(t.Context(), second[0], sent); err != nil {
		t.Fatal(err)
	}
	if err := f.store.Finish(t.Context(), second[0], sent); !errors.Is(err, email.ErrLeaseLost) {
		t.Fatalf("second outcome of one attempt: %v", err)
	}
}

func TestOutcomes(t *testing.T) {
	f := newFixture(t)
	at := start.Add(time.Second)
	tests := []struct {
		outcome email.Outcome
		dead    bool
		again   bool
	}{
		{email.Outcome{State: email.StateSent, Transport: "file", ProviderID: "p", At: at}, false, false},
		{email.Outcome{State: email.StateDeferred, Reason: "451 later", DueAt: at.Add(time.Minute), At: at}, false, true},
		{email.Outcome{State: email.StateObsolete, Reason: "410", At: at}, false, false},
		{email.Outcome{State: email.StateFailed, Reason: "550 no such user", Permanent: true, At: at}, true, false},
	}
	for _, test := range tests {
		t.Run(string(test.outcome.State), func(t *testing.T) {
			f.enqueue(t, string(test.outcome.State))
			m := f.claim(t, 1, start)[0]
			if err := f.store.Finish(t.Context(), m, test.outcome); err != nil {
				t.Fatal(err)
			}
			got, err := f.store.ByID(t.Context(), m.ID)
			if err != nil || got.State != test.outcome.State || got.Reason != test.outcome.Reason ||
				got.ProviderID != test.outcome.ProviderID || got.SentAt.IsZero() != (test.outcome.State != email.StateSent) {
				t.Errorf("stored %+v, %v", got, err)
			}
			if dead := f.deadLetters(t); test.dead {
				want := []string{m.ID + "|550 no such user|t|1"}
				if diff := cmp.Diff(want, dead); diff != "" {
					t.Errorf("dead letters (-want +got):\n%s", diff)
				}
			} else if len(dead) != 0 {
				t.Errorf("dead letters %v", dead)
			}
			if early := f.claim(t, 1, at.Add(59*time.Second)); len(early) != 0 {
				t.Errorf("due too early: %+v", early)
			}
			if late := f.claim(t, 1, at.Add(time.Hour)); (len(late) == 1) != test.again {
				t.Errorf("due again: %+v, want %t", late, test.again)
			} else if test.again {
				if err := f.store.Finish(t.Context(), late[0], email.Outcome{State: email.StateObsolete, At: at}); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestList(t *testing.T) {
	f := newFixture(t)
	f.enqueue(t, "a", "b", "c", "d")
	newest, err := f.store.List(t.Context(), email.Query{Limit: 2})
	if err != nil || len(newest) != 2 || newest[0].ChallengeID != "d" {
		t.Fatalf("first page %+v, %v", newest, err)
	}
	rest, err := f.store.List(t.Context(), email.Query{Limit: 9, Before: newest[1].ID})
	if err != nil || len(rest) != 2 || rest[0].ChallengeID != "b" {
		t.Fatalf("second page %+v, %v", rest, err)
	}
	f.claim(t, 1, start)
	sending, err := f.store.List(t.Context(), email.Query{Limit: 9, State: email.StateSending})
	if err != nil || len(sending) != 1 {
		t.Errorf("by state %+v, %v", sending, err)
	}
	mine, err := f.store.List(t.Context(), email.Query{Limit: 9, UserID: rest[0].UserID})
	if err != nil || len(mine) != 1 || mine[0].ID != rest[0].ID {
		t.Errorf("by user %+v, %v", mine, err)
	}
	for _, id := range []string{uuid.NewString(), "x"} {
		if _, err := f.store.ByID(t.Context(), id); !errors.Is(err, email.ErrNotFound) {
			t.Errorf("ByID(%s): %v", id, err)
		}
	}
}
