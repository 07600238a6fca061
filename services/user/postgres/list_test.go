package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"gatehouse.example/services/user"
)

// TestWalksUnderInserts: whoever walks the pages of any order and filter, while
// accounts come and go, meets everybody that was there all the time exactly
// once, in order.
func TestWalksUnderInserts(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	f := setUp(t)
	there := map[uuid.UUID]user.User{}
	for i := range 120 {
		if rnd.IntN(3) == 0 {
			f.now = f.now.Add(time.Duration(rnd.IntN(1000)) * time.Microsecond)
		}
		u := f.create(t, user.New{Email: fmt.Sprintf("%s%03d@example.com", []string{"a", "B", "ä", "_", "z"}[rnd.IntN(5)], i), EmailVerified: rnd.IntN(2) == 0})
		there[u.ID] = u
	}
	f.now = f.now.Add(time.Hour)
	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() { comeAndGo(ctx, t, f.accounts, w) })
	}
	defer writers.Wait()
	defer stop()
	for range 24 {
		q := user.Query{Sort: []user.Sort{"", user.SortCreated, user.SortEmail}[rnd.IntN(3)], Descending: rnd.IntN(2) == 0, Limit: 1 + rnd.IntN(40)}
		if rnd.IntN(3) == 0 {
			q.Status = user.StatusActive
		}
		if rnd.IntN(3) == 0 {
			q.EmailPrefix = []string{"a", "B", "Ä"}[rnd.IntN(3)]
		}
		got := []uuid.UUID{}
		for _, u := range walk(t, f.accounts, q) {
			if _, stays := there[u.ID]; stays {
				got = append(got, u.ID)
			}
		}
		if diff := cmp.Diff(expected(there, q), got); diff != "" {
			t.Errorf("%+v (-there +met):\n%s", q, diff)
		}
	}
}

// comeAndGo makes and deletes accounts all over the orders until ctx is done.
func comeAndGo(ctx context.Context, t *testing.T, accounts *user.Accounts, writer int) {
	for i := 0; ctx.Err() == nil; i++ {
		u, _, err := accounts.Create(ctx, user.New{Email: fmt.Sprintf("%c-%d-%d@example.com", 'a'+rune(i%26), writer, i), Origin: user.OriginAdministration})
		if err == nil && i%2 == 0 {
			err = accounts.Delete(ctx, u.ID, nil)
		}
		if err != nil && ctx.Err() == nil {
			t.Errorf("writer: %v", err)
			return
		}
	}
}

func walk(t *testing.T, accounts *user.Accounts, q user.Query) []user.User {
	t.Helper()
	var all []user.User
	for range 10_000 {
		users, next, err := accounts.List(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, users...)
		if next == nil {
			return all
		}
		q.After = next
	}
	t.Fatal("the list does not end")
	return nil
}

// expected is the list as one would make it by hand.
func expected(there map[uuid.UUID]user.User, q user.Query) []uuid.UUID {
	var users []user.User
	for _, u := range there {
		if (q.Status == "" || u.Status == q.Status) && strings.HasPrefix(user.EmailKey(u.Email), user.EmailKey(q.EmailPrefix)) {
			users = append(users, u)
		}
	}
	slices.SortFunc(users, func(x, y user.User) int {
		c := x.CreatedAt.Compare(y.CreatedAt)
		if q.Sort == user.SortEmail {
			c = strings.Compare(user.EmailKey(x.Email), user.EmailKey(y.Email))
		}
		if c == 0 {
			c = strings.Compare(x.ID.String(), y.ID.String())
		}
		if q.Descending {
			return -c
		}
		return c
	})
	ids := []uuid.UUID{}
	for _, u := range users {
		ids = append(ids, u.ID)
	}
	return ids
}

func TestListOfDeletedAndByIDs(t *testing.T) {
	f := setUp(t)
	var ids []uuid.UUID
	for i := range 6 {
		f.now = f.now.Add(time.Second)
		ids = append(ids, f.create(t, user.New{Email: fmt.Sprintf("u%d@example.com", i)}).ID)
	}
	for _, id := range ids[:3] {
		if err := f.accounts.Delete(t.Context(), id, nil); err != nil {
			t.Fatal(err)
		}
	}
	// One address twice among the deleted: the order by address still pages.
	again := f.create(t, user.New{Email: "u0@example.com"})
	if err := f.accounts.Delete(t.Context(), again.ID, nil); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		q    user.Query
		want int
	}{
		"all but the deleted": {user.Query{}, 3},
		"pending":             {user.Query{Status: user.StatusPending}, 3},
		"deleted":             {user.Query{Status: user.StatusDeleted}, 4},
		"deleted by address":  {user.Query{Status: user.StatusDeleted, Sort: user.SortEmail}, 4},
		"ids":                 {user.Query{IDs: []uuid.UUID{ids[0], ids[3], ids[5], uuid.New()}}, 2},
		"deleted ids":         {user.Query{IDs: ids, Status: user.StatusDeleted}, 3},
		"no ids":              {user.Query{IDs: []uuid.UUID{}}, 0},
	} {
		c.q.Limit = 1
		if got := walk(t, f.accounts, c.q); len(got) != c.want {
			t.Errorf("%s: %d users, want %d", name, len(got), c.want)
		}
	}
}

// TestPagesUseIndexes: the planner finds a keyset index for every order, so
// that a page of millions costs what a page of ten does.
func TestPagesUseIndexes(t *testing.T) {
	f := setUp(t)
	for sql, index := range map[string]string{
		`SELECT id FROM users WHERE deleted_at IS NULL AND (created_at, id) > (now(), gen_random_uuid()) ORDER BY created_at, id LIMIT 51`:                                 "users_created",
		`SELECT id FROM users WHERE deleted_at IS NULL AND (email_key COLLATE "C", id) > ('m', gen_random_uuid()) ORDER BY email_key COLLATE "C", id LIMIT 51`:             "users_by_email",
		`SELECT id FROM users WHERE deleted_at IS NULL AND status = 'active' AND (created_at, id) < (now(), gen_random_uuid()) ORDER BY created_at DESC, id DESC LIMIT 51`: "users_by_status",
	} {
		var plan []string
		err := f.db.Bun.NewRaw(`EXPLAIN `+sql).Scan(t.Context(), &plan)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Join(plan, "\n")
		if !strings.Contains(text, index) || strings.Contains(text, "Sort") {
			t.Errorf("plan of %s:\n%s\nwant %s", sql, text, index)
		}
	}
}
