package postgres_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/database"
	"gatehouse.example/internal/database/databasetest"
	"gatehouse.example/internal/event"
	"gatehouse.example/migrations"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/postgres"
)

// statements counts what is sent to the database.
type statements struct{ n atomic.Int64 }

func (s *statements) BeforeQuery(ctx context.Context, _ *bun.QueryEvent) context.Context {
	s.n.Add(1)
	return ctx
}

func (s *statements) AfterQuery(context.Context, *bun.QueryEvent) {}

// TestEndingsDoNotGrow: what is done for all keys of an owner takes as many
// statements for a hundred as for one, and tells of each of them.
func TestEndingsDoNotGrow(t *testing.T) {
	db := databasetest.New(t, database.MigrationSet{Service: "auth", Schema: "auth", Role: "gatehouse_auth", FS: migrations.Auth, ReadsAudit: true})
	keys, endings := postgres.NewAPIKeys(db), postgres.NewEndings(db, 5*time.Minute)
	counter := &statements{}
	db.Bun = db.Bun.WithQueryHook(counter)
	now := time.Now()
	person := func(n int) string {
		id := uuid.NewString()
		for i := range n {
			k := auth.APIKey{ID: uuid.NewString(), Name: "x", OwnerKind: auth.OwnerUser, OwnerID: id, Scopes: []string{"openid"}, Hash: fmt.Append(nil, id, i), CreatedAt: now}
			r, err := audit.New(t.Context(), "auth", "key.created", "key", k.ID, now)
			if err != nil {
				t.Fatal(err)
			}
			if err := keys.CreateAPIKey(t.Context(), k, r); err != nil {
				t.Fatal(err)
			}
		}
		return id
	}
	one, hundred := person(1), person(auth.MaxAPIKeys)
	for _, reason := range []string{auth.EndedSuspended, auth.EndedDeleted} {
		var took [2]int64
		for i, id := range []string{one, hundred} {
			before := counter.n.Load()
			if err := endings.EndUser(t.Context(), id, false, reason, now); err != nil {
				t.Fatal(err)
			}
			took[i] = counter.n.Load() - before
		}
		if took[0] == 0 || took[0] != took[1] {
			t.Errorf("%s: %d statements for one key, %d for a hundred", reason, took[0], took[1])
		}
	}
	for what, query := range map[string]string{
		"keys that are revoked": `SELECT count(*) FROM revocations WHERE kind = 'key' AND expires_at > now() + interval '23 hours'`,
		"records":               `SELECT count(DISTINCT subject_id) FROM audit_log WHERE action = 'key.revoked'`,
		"notices":               `SELECT count(*) / 2 FROM outbox WHERE type = '` + postgres.TypeRevoked + `'`,
		"events":                `SELECT count(*) / 2 FROM outbox WHERE type = '` + event.TypeKeyRevoked + `'`,
		"records sent":          `SELECT count(*) FROM outbox WHERE type = '` + event.TypeAuditRecorded + `' AND event->'data'->>'action' = 'key.revoked'`,
	} {
		var n int
		if err := db.Pool.QueryRow(t.Context(), query).Scan(&n); err != nil || n != 101 {
			t.Errorf("%d %s, want 101 (%v)", n, what, err)
		}
	}
}
