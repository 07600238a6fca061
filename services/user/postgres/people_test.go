package postgres_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"gatehouse.example/internal/database"
	"gatehouse.example/internal/database/databasetest"
	"gatehouse.example/internal/event"
	"gatehouse.example/internal/identity"
	"gatehouse.example/migrations"
	"gatehouse.example/services/user"
	"gatehouse.example/services/user/postgres"
)

// record is what a test reads of an audit record.
type record struct {
	Action, Actor string
	Details       map[string]string
}

// records returns the audit records about the user, oldest first, as they went
// to the outbox: the log itself is not for this role to read.
func (f *fixture) records(t *testing.T, id uuid.UUID) []record {
	t.Helper()
	var texts []string
	err := f.db.Bun.NewRaw("SELECT event::text FROM outbox WHERE aggregate = ? AND type = ? ORDER BY seq",
		id.String(), event.TypeAuditRecorded).Scan(t.Context(), &texts)
	if err != nil {
		t.Fatal(err)
	}
	list := []record{}
	for _, text := range texts {
		var e event.Event
		var d event.AuditRecorded
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			t.Fatal(err)
		}
		if err := e.Decode(&d); err != nil {
			t.Fatal(err)
		}
		list = append(list, record{d.Action, d.ActorKind + ":" + d.ActorID, d.Details})
	}
	return list
}

func TestRestore(t *testing.T) {
	for _, status := range []user.Status{user.StatusPending, user.StatusActive, user.StatusSuspended} {
		t.Run(string(status), func(t *testing.T) {
			f := setUp(t)
			u := f.create(t, user.New{Email: "ada@example.com", Username: "ada", Profile: user.Profile{Name: "Ada"}})
			if status != user.StatusPending {
				if _, err := f.accounts.Update(t.Context(), u.ID, func(u *user.User) error { u.Status = status; u.StatusReason = "why"; return nil }); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := f.accounts.Restore(t.Context(), u.ID, nil); !errors.Is(err, user.ErrNotDeleted) {
				t.Errorf("restore one that is there: %v", err)
			}
			before, err := f.store.ByID(t.Context(), u.ID)
			if err != nil {
				t.Fatal(err)
			}
			if err := f.accounts.Delete(t.Context(), u.ID, nil); err != nil {
				t.Fatal(err)
			}
			restored, err := f.accounts.Restore(t.Context(), u.ID, nil)
			if err != nil {
				t.Fatal(err)
			}
			before.Version, before.UpdatedAt = restored.Version, restored.UpdatedAt
			if diff := cmp.Diff(before, restored); diff != "" {
				t.Errorf("restored (-before +after):\n%s", diff)
			}
			if got, err := f.store.ByID(t.Context(), u.ID); err != nil || !cmp.Equal(got, restored) {
				t.Errorf("stored: %+v, %v", got, err)
			}
			events := f.events(t, u.ID)
			if diff := cmp.Diff([]string{event.TypeUserDeleted, event.TypeUserRestored}, events[len(events)-2:]); diff != "" {
				t.Errorf("events:\n%s", diff)
			}
			records := f.records(t, u.ID)
			if diff := cmp.Diff(map[string]string{"from": "deleted", "to": string(status)}, records[len(records)-1].Details); diff != "" {
				t.Errorf("last record %+v:\n%s", records[len(records)-1], diff)
			}
		})
	}
}

func TestRestoreOfWhatIsTaken(t *testing.T) {
	f := setUp(t)
	u := f.create(t, user.New{Email: "ada@example.com", Username: "ada"})
	if err := f.accounts.Delete(t.Context(), u.ID, nil); err != nil {
		t.Fatal(err)
	}
	other := f.create(t, user.New{Email: "ADA@example.com", Username: "grace"})
	if _, err := f.accounts.Restore(t.Context(), u.ID, nil); !errors.Is(err, user.ErrEmailTaken) {
		t.Errorf("address taken: %v", err)
	}
	_, err := f.accounts.Update(t.Context(), other.ID, func(u *user.User) error { u.Email = "grace@example.com"; u.Username = "ada"; return nil })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.accounts.Restore(t.Context(), u.ID, nil); !errors.Is(err, user.ErrUsernameTaken) {
		t.Errorf("username taken: %v", err)
	}
	if got := f.events(t, u.ID); got[len(got)-1] != event.TypeUserDeleted {
		t.Errorf("events = %v", got)
	}
	if err := f.accounts.Delete(t.Context(), other.ID, nil); err != nil {
		t.Fatal(err)
	}
	if restored := race(10, func(int) error { _, err := f.accounts.Restore(context.Background(), u.ID, nil); return err }); restored != 1 {
		t.Errorf("restored %d times", restored)
	}
}

func TestEraseLeavesNothing(t *testing.T) {
	f := setUp(t)
	key := &user.IdempotencyKey{Actor: "me", Key: "k", Fingerprint: []byte("f")}
	u := f.create(t, user.New{Email: "ada@example.com", Username: "ada", Roles: []string{"user"}, Profile: user.Profile{Name: "Ada Lovelace"}, Key: key})
	preferences := user.NewPreferences(f.store, nil, nil)
	if _, err := preferences.Change(t.Context(), u.ID, "ui", set(`{"colour":"mauve"}`)); err != nil {
		t.Fatal(err)
	}
	if err := f.accounts.Delete(t.Context(), u.ID, nil); err != nil {
		t.Fatal(err)
	}
	f.now = f.now.Add(20 * 24 * time.Hour)
	late := f.create(t, user.New{Email: "late@example.com"})
	if err := f.accounts.Delete(t.Context(), late.ID, nil); err != nil {
		t.Fatal(err)
	}
	if n, err := f.accounts.Erase(t.Context(), 30*24*time.Hour); err != nil || n != 0 {
		t.Fatalf("erased %d within the retention, %v", n, err)
	}
	f.now = f.now.Add(11 * 24 * time.Hour)
	if n, err := f.accounts.Erase(t.Context(), 30*24*time.Hour); err != nil || n != 1 {
		t.Fatalf("erased %d, %v; want 1", n, err)
	}
	if _, err := f.accounts.Restore(t.Context(), u.ID, nil); !errors.Is(err, user.ErrNotFound) {
		t.Errorf("restore after erasure: %v", err)
	}
	if _, err := f.accounts.Restore(t.Context(), late.ID, nil); err != nil {
		t.Errorf("restore within the retention: %v", err)
	}
	events := f.events(t, u.ID)
	if diff := cmp.Diff([]string{event.TypeUserDeleted, event.TypeUserErased}, events[len(events)-2:]); diff != "" {
		t.Errorf("events:\n%s", diff)
	}
	records := f.records(t, u.ID)
	if diff := cmp.Diff(record{Action: "user.erased", Actor: "service:user"}, records[len(records)-1]); diff != "" {
		t.Errorf("record:\n%s", diff)
	}
	// No table has a trace of the person, but for the id in what is told.
	for _, table := range []string{"users", "user_roles", "preferences", "idempotency_keys"} {
		var rows []string
		if err := f.db.Bun.NewRaw("SELECT row_to_json(t)::text FROM "+table+" t").Scan(t.Context(), &rows); err != nil {
			t.Fatal(err)
		}
		for _, text := range rows {
			for _, trace := range []string{u.ID.String(), "ada", "Ada", "mauve"} {
				if strings.Contains(text, trace) {
					t.Errorf("%s still has %q: %s", table, trace, text)
				}
			}
		}
	}
}

func TestErasesMoreThanOneBatch(t *testing.T) {
	f := setUp(t)
	for i := range 130 {
		u := f.create(t, user.New{Email: fmt.Sprintf("u%d@example.com", i)})
		if err := f.accounts.Delete(t.Context(), u.ID, nil); err != nil {
			t.Fatal(err)
		}
	}
	f.now = f.now.Add(time.Hour)
	totals := make([]int, 4)
	race(4, func(i int) error { // several sweepers share the work
		var err error
		totals[i], err = f.accounts.Erase(context.Background(), time.Minute)
		if err != nil {
			t.Error(err)
		}
		return err
	})
	if sum := totals[0] + totals[1] + totals[2] + totals[3]; sum != 130 {
		t.Errorf("erased %v, want 130 together", totals)
	}
	var told int
	if err := f.db.Bun.NewRaw("SELECT count(*) FROM outbox WHERE type = ?", event.TypeUserErased).Scan(t.Context(), &told); err != nil || told != 130 {
		t.Errorf("told %d times, %v", told, err)
	}
}

func TestChangeEmail(t *testing.T) {
	f := setUp(t)
	u := f.create(t, user.New{Email: "ada@example.com", EmailVerified: true})
	f.create(t, user.New{Email: "taken@example.com"})
	change := func(from, to string) (user.User, error) {
		return f.accounts.ChangeEmail(t.Context(), u.ID, from, to)
	}
	for name, c := range map[string]struct {
		from, to string
		want     error
	}{
		"stale":  {"old@example.com", "new@example.com", user.ErrEmailChanged},
		"taken":  {"ada@example.com", "TAKEN@example.com", user.ErrEmailTaken},
		"no one": {"", "new@example.com", user.ErrEmailChanged},
	} {
		if _, err := change(c.from, c.to); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	var invalid *user.Invalid
	if _, err := change("ada@example.com", "nonsense"); !errors.As(err, &invalid) {
		t.Errorf("no address: %v", err)
	}
	for range 2 { // the second time does nothing
		got, err := change("ADA@example.com", "New@example.com")
		if err != nil || got.Email != "New@example.com" || !got.EmailVerified || got.Version != 2 {
			t.Fatalf("changed: %+v, %v", got, err)
		}
	}
	if diff := cmp.Diff([]string{event.TypeUserRegistered, event.TypeUserEmailChanged, event.TypeUserUpdated}, f.events(t, u.ID)); diff != "" {
		t.Errorf("events:\n%s", diff)
	}
	want := []record{
		{"user.created", "service:user", map[string]string{"origin": "administration", "status": "active"}},
		{"user.email_changed", "service:user", map[string]string{"verified": "true"}},
	}
	if diff := cmp.Diff(want, f.records(t, u.ID)); diff != "" {
		t.Errorf("records:\n%s", diff)
	}
	if _, err := f.accounts.ChangeEmail(t.Context(), uuid.New(), "a@example.com", "b@example.com"); !errors.Is(err, user.ErrNotFound) {
		t.Errorf("unknown user: %v", err)
	}
}

// TestRecordsAndNotices: every kind of change has its record with who did it,
// and no record has a value of the person. What it may do now is told at once.
func TestRecordsAndNotices(t *testing.T) {
	db := databasetest.New(t, database.MigrationSet{Service: "user", Schema: "user", Role: "gatehouse_user", FS: migrations.User})
	f := &fixture{db: db, store: postgres.New(db), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	var notices []string
	f.accounts = user.NewAccounts(f.store, user.Options{
		Now: func() time.Time { return f.now },
		Notify: func(ctx context.Context, subject string, data []byte) error {
			if ctx.Err() != nil {
				t.Error("the notice is sent by a context that is over")
			}
			notices = append(notices, subject+" "+string(data))
			return errors.New("the bus is away") // must not fail the change
		},
	})
	ctx := identity.WithPrincipal(t.Context(), identity.Principal{Kind: identity.KindClient, Subject: "console", Scopes: []string{"admin"}})
	u, _, err := f.accounts.Create(ctx, user.New{Email: "ada@example.com", Origin: user.OriginAdministration})
	if err != nil {
		t.Fatal(err)
	}
	for _, edit := range []func(*user.User){
		func(u *user.User) { u.Profile.Name, u.Username = "Ada Lovelace", "lovelace" },
		func(u *user.User) { u.Status = user.StatusActive },
		func(u *user.User) { u.Status, u.StatusReason = user.StatusSuspended, "secret of Ada" },
		func(u *user.User) { u.Email = "countess@example.com" },
		func(u *user.User) {},
	} {
		if _, err := f.accounts.Update(ctx, u.ID, func(u *user.User) error { edit(u); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.accounts.Delete(ctx, u.ID, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := f.accounts.Restore(ctx, u.ID, nil); err != nil {
		t.Fatal(err)
	}
	by := "client:console"
	want := []record{
		{"user.created", by, map[string]string{"origin": "administration", "status": "pending"}},
		{"user.updated", by, map[string]string{"changed": "profile username"}},
		{"user.activated", by, map[string]string{"from": "pending", "to": "active"}},
		{"user.suspended", by, map[string]string{"from": "active", "to": "suspended"}},
		{"user.email_changed", by, map[string]string{"verified": "false"}},
		{"user.deleted", by, map[string]string{"from": "suspended", "to": "deleted"}},
		{"user.restored", by, map[string]string{"from": "deleted", "to": "suspended"}},
	}
	got := f.records(t, u.ID)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	text, _ := json.Marshal(got)
	for _, personal := range []string{"Ada", "ada@", "lovelace", "countess", "secret"} {
		if strings.Contains(string(text), personal) {
			t.Errorf("the records tell %q: %s", personal, text)
		}
	}
	one := event.NoticePrincipal("user", u.ID.String()) + " user " + u.ID.String()
	if diff := cmp.Diff(slices.Repeat([]string{one}, 4), notices); diff != "" { // active, suspended, deleted, restored
		t.Errorf("notices:\n%s", diff)
	}
}

func set(text string) func(user.User, *user.Preference) (user.Document, error) {
	return func(user.User, *user.Preference) (user.Document, error) {
		var d user.Document
		err := json.Unmarshal([]byte(text), &d)
		return d, err
	}
}
