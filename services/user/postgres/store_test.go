package postgres_test

import (
	"context"
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
	"gatehouse.example/services/user"
	"gatehouse.example/services/user/postgres"
)

// fixture is the domain on a real schema.
type fixture struct {
	db       *database.DB
	store    *postgres.Store
	accounts *user.Accounts
	now      time.Time
}

func setUp(t *testing.T) *fixture {
	t.Helper()
	db := databasetest.New(t, database.MigrationSet{Service: "user", Schema: "user", Role: "gatehouse_user", FS: migrations.User})
	f := &fixture{db: db, store: postgres.New(db), now: time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)}
	f.accounts = user.NewAccounts(f.store, user.Options{Now: func() time.Time { return f.now }})
	return f
}

func (f *fixture) create(t *testing.T, n user.New) user.User {
	t.Helper()
	if n.Origin == "" {
		n.Origin = user.OriginAdministration
	}
	u, _, err := f.accounts.Create(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// events returns the types of the events about the user, oldest first.
func (f *fixture) events(t *testing.T, id uuid.UUID) []string {
	t.Helper()
	types := []string{}
	err := f.db.Bun.NewRaw("SELECT type FROM outbox WHERE aggregate = ? AND type <> ? ORDER BY seq", id.String(), event.TypeAuditRecorded).Scan(t.Context(), &types)
	if err != nil {
		t.Fatal(err)
	}
	return types
}

func TestInsertKeepsEverything(t *testing.T) {
	f := setUp(t)
	u := f.create(t, user.New{
		Email: "Ada@EXAMPLE.com", Username: "Ada", EmailVerified: true, Roles: []string{"user", "admin", "user"},
		Profile: user.Profile{Name: "Ada Lovelace", Birthdate: "1815-12-10", Address: &user.Address{Locality: "London"}},
	})
	got, err := f.store.ByID(t.Context(), u.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(u, got); diff != "" {
		t.Errorf("stored user differs (-made +read):\n%s", diff)
	}
	if got.Email != "Ada@example.com" || got.Username != "ada" || got.Status != user.StatusActive {
		t.Errorf("user = %+v", got)
	}
	if diff := cmp.Diff([]string{"admin", "user"}, got.Roles); diff != "" {
		t.Errorf("roles:\n%s", diff)
	}
	if diff := cmp.Diff([]string{event.TypeUserRegistered}, f.events(t, u.ID)); diff != "" {
		t.Errorf("events:\n%s", diff)
	}
}

func TestByLogin(t *testing.T) {
	f := setUp(t)
	u := f.create(t, user.New{Email: "jürgen@bücher.example", Username: "jules"})
	for _, login := range []string{"jürgen@bücher.example", "JÜRGEN@BÜCHER.example", " jürgen@xn--bcher-kva.example", "jules", "JULES"} {
		if got, err := f.store.ByLogin(t.Context(), login); err != nil || got.ID != u.ID {
			t.Errorf("ByLogin(%q) = %v, %v", login, got.ID, err)
		}
	}
	for _, login := range []string{"", "x", "nobody", "nobody@example.com", "a\x00b", "%", "jürgen@", "j_les"} {
		if _, err := f.store.ByLogin(t.Context(), login); !errors.Is(err, user.ErrNotFound) {
			t.Errorf("ByLogin(%q): error = %v, want ErrNotFound", login, err)
		}
	}
}

func TestUniqueness(t *testing.T) {
	f := setUp(t)
	first := f.create(t, user.New{Email: "ada@example.com", Username: "ada"})
	for name, c := range map[string]struct {
		n    user.New
		want error
	}{
		"same email, other case": {user.New{Email: "ADA@example.COM"}, user.ErrEmailTaken},
		"same username":          {user.New{Email: "b@example.com", Username: "ADA"}, user.ErrUsernameTaken},
		"same id":                {user.New{ID: first.ID, Email: "c@example.com"}, user.ErrIDTaken},
	} {
		c.n.Origin = user.OriginAdministration
		if _, _, err := f.accounts.Create(t.Context(), c.n); !errors.Is(err, c.want) {
			t.Errorf("%s: error = %v, want %v", name, err, c.want)
		}
	}
	if err := f.accounts.Delete(t.Context(), first.ID, nil); err != nil {
		t.Fatal(err)
	}
	again := f.create(t, user.New{Email: "ada@example.com", Username: "ada"})
	if again.ID == first.ID {
		t.Error("the deleted user came back")
	}
	for _, lookup := range []func() error{
		func() error { _, err := f.store.ByID(t.Context(), first.ID); return err },
		func() error { return f.accounts.Delete(t.Context(), first.ID, nil) },
		func() error { _, err := f.accounts.VerifyEmail(t.Context(), first.ID, "ada@example.com"); return err },
	} {
		if err := lookup(); !errors.Is(err, user.ErrNotFound) {
			t.Errorf("deleted user: error = %v, want ErrNotFound", err)
		}
	}
	if diff := cmp.Diff([]string{event.TypeUserRegistered, event.TypeUserDeleted}, f.events(t, first.ID)); diff != "" {
		t.Errorf("events:\n%s", diff)
	}
}

func TestFiftyConcurrentCreatesOfOneAddress(t *testing.T) {
	f := setUp(t)
	made := race(50, func(i int) error {
		_, _, err := f.accounts.Create(context.Background(), user.New{Email: []string{"ada@example.com", "ADA@example.com"}[i%2], Origin: user.OriginRegistration})
		if err != nil && !errors.Is(err, user.ErrEmailTaken) {
			t.Errorf("create %d: %v", i, err)
		}
		return err
	})
	if made != 1 {
		t.Errorf("%d accounts, want 1", made)
	}
	var rows, events int
	if err := f.db.Bun.NewRaw("SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM outbox WHERE type = ?)", event.TypeUserRegistered).Scan(t.Context(), &rows, &events); err != nil {
		t.Fatal(err)
	}
	if rows != 1 || events != 1 {
		t.Errorf("%d rows and %d events, want 1 and 1", rows, events)
	}
}

func TestEnsureIsIdempotentUnderConcurrency(t *testing.T) {
	f := setUp(t)
	id := uuid.Must(uuid.NewV7())
	made := race(20, func(i int) error {
		u, err := f.accounts.Ensure(context.Background(), user.New{ID: id, Email: "ada@example.com", Username: "ada", Origin: user.OriginRegistration})
		if err != nil || u.ID != id {
			t.Errorf("ensure %d: %v, %v", i, u.ID, err)
		}
		return err
	})
	if made != 20 {
		t.Errorf("%d of 20 succeeded", made)
	}
	if _, err := f.accounts.Ensure(t.Context(), user.New{ID: id, Email: "other@example.com", Origin: user.OriginRegistration}); !errors.Is(err, user.ErrIDTaken) {
		t.Errorf("same id, other address: %v, want ErrIDTaken", err)
	}
	if diff := cmp.Diff([]string{event.TypeUserRegistered}, f.events(t, id)); diff != "" {
		t.Errorf("events:\n%s", diff)
	}
}

func TestIdempotencyKey(t *testing.T) {
	f := setUp(t)
	key := func(actor, fingerprint string) *user.IdempotencyKey {
		return &user.IdempotencyKey{Actor: actor, Key: "k", Fingerprint: []byte(fingerprint)}
	}
	ids := make([]uuid.UUID, 20)
	race(20, func(i int) error {
		u, _, err := f.accounts.Create(context.Background(), user.New{Email: "ada@example.com", Origin: user.OriginAdministration, Key: key("me", "one")})
		ids[i] = u.ID
		if err != nil {
			t.Errorf("create %d: %v", i, err)
		}
		return err
	})
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("ids differ: %v", ids)
		}
	}
	if _, _, err := f.accounts.Create(t.Context(), user.New{Email: "b@example.com", Origin: user.OriginAdministration, Key: key("me", "two")}); !errors.Is(err, user.ErrKeyReused) {
		t.Errorf("another request: %v, want ErrKeyReused", err)
	}
	if _, replayed, err := f.accounts.Create(t.Context(), user.New{Email: "b@example.com", Origin: user.OriginAdministration, Key: key("you", "two")}); err != nil || replayed {
		t.Errorf("another actor: replayed %v, %v", replayed, err)
	}
	f.now = f.now.Add(25 * time.Hour)
	if _, err := f.accounts.Sweep(t.Context(), 24*time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, replayed, err := f.accounts.Create(t.Context(), user.New{Email: "c@example.com", Origin: user.OriginAdministration, Key: key("me", "two")}); err != nil || replayed {
		t.Errorf("a day later: replayed %v, %v", replayed, err)
	}
}

func TestUpdateLosesNothing(t *testing.T) {
	f := setUp(t)
	u := f.create(t, user.New{Email: "ada@example.com"})
	if _, err := f.db.Bun.NewRaw("INSERT INTO roles (name) SELECT 'role-' || to_char(n, 'FM00') FROM generate_series(0, 19) n").Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Half of the writers add a role, half count in the nickname; each change
	// must see all the others, also those of the second table.
	race(20, func(i int) error {
		_, err := f.accounts.Update(context.Background(), u.ID, func(u *user.User) error {
			if i%2 == 0 {
				u.Roles = append(u.Roles, fmt.Sprintf("role-%02d", i))
			} else {
				u.Profile.Nickname += "x"
			}
			return nil
		})
		if err != nil {
			t.Errorf("update %d: %v", i, err)
		}
		return err
	})
	got, err := f.store.ByID(t.Context(), u.ID)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Roles) != 10 || got.Profile.Nickname != "xxxxxxxxxx" || got.Version != 21 {
		t.Errorf("roles %v, nickname %q, version %d", got.Roles, got.Profile.Nickname, got.Version)
	}
}

func TestUpdateWithoutChangeWritesNothing(t *testing.T) {
	f := setUp(t)
	u := f.create(t, user.New{Email: "ada@example.com"})
	got, err := f.accounts.Update(t.Context(), u.ID, func(*user.User) error { return nil })
	if err != nil || got.Version != 1 || !got.UpdatedAt.Equal(u.UpdatedAt) {
		t.Errorf("version %d, %v", got.Version, err)
	}
	if got := f.events(t, u.ID); len(got) != 1 {
		t.Errorf("events = %v", got)
	}
}

// race runs n calls at once and returns how many succeeded.
func race(n int, call func(i int) error) int {
	var wg sync.WaitGroup
	var mu sync.Mutex
	start := make(chan struct{})
	succeeded := 0
	for i := range n {
		wg.Go(func() {
			<-start
			if call(i) == nil {
				mu.Lock()
				succeeded++
				mu.Unlock()
			}
		})
	}
	close(start)
	wg.Wait()
	return succeeded
}
