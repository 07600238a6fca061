package postgres_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"gatehouse.example/internal/event"
	"gatehouse.example/services/user"
)

func TestLifeOfAnAccount(t *testing.T) {
	f := setUp(t)
	u := f.create(t, user.New{Email: "ada@example.com", Origin: user.OriginRegistration})
	if u.Status != user.StatusPending || u.EmailVerified {
		t.Fatalf("new user = %+v", u)
	}
	if _, err := f.accounts.VerifyEmail(t.Context(), u.ID, "other@example.com"); !errors.Is(err, user.ErrEmailChanged) {
		t.Errorf("verify another address: %v", err)
	}
	for range 2 { // the second time changes nothing
		got, err := f.accounts.VerifyEmail(t.Context(), u.ID, "ADA@example.com")
		if err != nil || got.Status != user.StatusActive || !got.EmailVerified || got.Version != 2 {
			t.Fatalf("verified user = %+v, %v", got, err)
		}
	}
	to := func(s user.Status) (user.User, error) {
		return f.accounts.Update(t.Context(), u.ID, func(u *user.User) error { u.Status = s; return nil })
	}
	var illegal *user.IllegalTransition
	if _, err := to(user.StatusPending); !errors.As(err, &illegal) {
		t.Errorf("active to pending: %v", err)
	}
	if _, err := to(user.StatusSuspended); err != nil {
		t.Fatal(err)
	}
	if got, err := f.accounts.VerifyEmail(t.Context(), u.ID, "ada@example.com"); err != nil || got.Status != user.StatusSuspended {
		t.Errorf("proving the address lifted the suspension: %+v, %v", got, err)
	}
	if _, err := to(user.StatusActive); err != nil {
		t.Fatal(err)
	}
	got, err := f.accounts.Update(t.Context(), u.ID, func(u *user.User) error { u.Email = "countess@example.com"; return nil })
	if err != nil || got.EmailVerified {
		t.Errorf("a new address is unproven: %+v, %v", got, err)
	}
	if err := f.accounts.Delete(t.Context(), u.ID, nil); err != nil {
		t.Fatal(err)
	}
	want := []string{
		event.TypeUserRegistered, event.TypeUserVerified, event.TypeUserUpdated, // pending to active
		event.TypeUserSuspended, event.TypeUserUpdated, // suspended
		event.TypeUserUpdated,                             // active again
		event.TypeUserEmailChanged, event.TypeUserUpdated, // address
		event.TypeUserDeleted,
	}
	if diff := cmp.Diff(want, f.events(t, u.ID)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	// Whoever changed it, the old address can be told.
	var moved event.UserEmailChanged
	err = f.db.Bun.NewRaw(`SELECT event->'data'->>'old_email', event->'data'->>'email' FROM outbox WHERE type = ?`, event.TypeUserEmailChanged).
		Scan(t.Context(), &moved.OldEmail, &moved.Email)
	if err != nil || moved.OldEmail != "ada@example.com" || moved.Email != "countess@example.com" {
		t.Errorf("the event tells %+v, %v", moved, err)
	}
}

func TestListPages(t *testing.T) {
	f := setUp(t)
	var all []string
	for i := range 25 {
		if i%5 == 0 { // several at the same instant
			f.now = f.now.Add(time.Second)
		}
		u := f.create(t, user.New{Email: fmt.Sprintf("u%02d@example.com", i), EmailVerified: i%2 == 0})
		all = append(all, u.ID.String())
	}
	walk := func(q user.Query) []string {
		ids := []string{}
		for range 100 {
			users, next, err := f.accounts.List(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for _, u := range users {
				ids = append(ids, u.ID.String())
			}
			if next == nil {
				return ids
			}
			q.After = next
		}
		t.Fatal("the list does not end")
		return nil
	}
	for _, limit := range []int{1, 5, 7, 25, 200} {
		if diff := cmp.Diff(all, walk(user.Query{Limit: limit})); diff != "" {
			t.Errorf("limit %d:\n%s", limit, diff)
		}
	}
	down := walk(user.Query{Limit: 4, Descending: true})
	for i, id := range down {
		if id != all[len(all)-1-i] {
			t.Fatalf("descending order differs at %d", i)
		}
	}
	if got := walk(user.Query{Limit: 3, Status: user.StatusActive}); len(got) != 13 {
		t.Errorf("%d active users, want 13", len(got))
	}
	if diff := cmp.Diff(all[10:20], walk(user.Query{Limit: 3, EmailPrefix: "U1"})); diff != "" {
		t.Errorf("prefix:\n%s", diff)
	}
	for _, prefix := range []string{"%", "u_", `u\`, "u1%"} {
		if got := walk(user.Query{Limit: 3, EmailPrefix: prefix}); len(got) != 0 {
			t.Errorf("prefix %q matches %d users; it must not be a pattern", prefix, len(got))
		}
	}
}

func TestListFilters(t *testing.T) {
	f := setUp(t)
	ada := f.create(t, user.New{Email: "ada@example.com", Username: "ada", Roles: []string{"admin"}})
	gone := f.create(t, user.New{Email: "bob@example.com", Username: "bob", Roles: []string{"admin"}})
	f.create(t, user.New{Email: "eve@example.com"})
	if err := f.accounts.Delete(t.Context(), gone.ID, nil); err != nil {
		t.Fatal(err)
	}
	for name, q := range map[string]user.Query{
		"username": {Username: "ADA"}, "role": {Role: "admin"}, "whole address": {EmailPrefix: "ada@example.com"},
	} {
		q.Limit = 10
		users, next, err := f.accounts.List(t.Context(), q)
		if err != nil || next != nil || len(users) != 1 || users[0].ID != ada.ID {
			t.Errorf("%s: %v, %v, %v", name, users, next, err)
		}
	}
}

func TestSweep(t *testing.T) {
	f := setUp(t)
	old := f.create(t, user.New{Email: "old@example.com", Origin: user.OriginRegistration})
	proven := f.create(t, user.New{Email: "proven@example.com", EmailVerified: true, Origin: user.OriginRegistration})
	invited := f.create(t, user.New{Email: "invited@example.com"})
	f.now = f.now.Add(2 * time.Hour)
	young := f.create(t, user.New{Email: "young@example.com", Origin: user.OriginRegistration})
	f.now = f.now.Add(23 * time.Hour)
	n, err := f.accounts.Sweep(t.Context(), 24*time.Hour)
	if err != nil || n != 1 {
		t.Fatalf("swept %d, %v; want 1", n, err)
	}
	for _, u := range []user.User{proven, invited, young} {
		if _, err := f.store.ByID(t.Context(), u.ID); err != nil {
			t.Errorf("%s: %v", u.Email, err)
		}
	}
	if _, err := f.store.ByID(t.Context(), old.ID); !errors.Is(err, user.ErrNotFound) {
		t.Errorf("unfinished registration: %v", err)
	}
	if diff := cmp.Diff([]string{event.TypeUserRegistered, event.TypeUserDeleted, event.TypeUserErased}, f.events(t, old.ID)); diff != "" {
		t.Errorf("events:\n%s", diff)
	}
	for i := range 150 { // more than one batch
		f.create(t, user.New{Email: fmt.Sprintf("u%d@example.com", i), Origin: user.OriginRegistration})
	}
	f.now = f.now.Add(25 * time.Hour)
	if n, err := f.accounts.Sweep(t.Context(), 24*time.Hour); err != nil || n != 151 {
		t.Errorf("swept %d, %v; want 151", n, err)
	}
}

func TestFailedChangeLeavesNothing(t *testing.T) {
	f := setUp(t)
	f.create(t, user.New{Email: "bob@example.com"})
	u := f.create(t, user.New{Email: "ada@example.com"})
	refused := errors.New("refused")
	for name, c := range map[string]struct {
		edit func(*user.User) error
		want error
	}{
		"by the edit":  {func(u *user.User) error { u.Username = "ada"; return refused }, refused},
		"by the index": {func(u *user.User) error { u.Roles = []string{"admin"}; u.Email = "BOB@example.com"; return nil }, user.ErrEmailTaken},
	} {
		if _, err := f.accounts.Update(t.Context(), u.ID, c.edit); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	got, err := f.store.ByID(t.Context(), u.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(u, got); diff != "" {
		t.Errorf("user changed:\n%s", diff)
	}
	if got := f.events(t, u.ID); len(got) != 1 {
		t.Errorf("events = %v", got)
	}
	if _, err := f.accounts.Update(t.Context(), uuid.New(), func(*user.User) error { return nil }); !errors.Is(err, user.ErrNotFound) {
		t.Errorf("unknown user: %v", err)
	}
}
