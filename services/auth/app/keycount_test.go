package app_test

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse.example/services/auth"
)

// TestTooManyKeys: one owner has no more valid keys than what can be ended at
// once, also if it asks for many at the same time.
func TestTooManyKeys(t *testing.T) {
	s := start(t)
	ada, _ := s.person("ada@example.com")
	owner := user(ada.ID, "openid")
	soon := `{"name":"x","scopes":["openid"],"expires_at":"` + s.now().Add(time.Hour).UTC().Format(time.RFC3339) + `"}`
	for range auth.MaxAPIKeys - 5 {
		s.key(owner, soon)
	}
	var made, refused atomic.Int64
	simultaneously(10, func(int) {
		got := s.call(owner, "POST", "/v1/api-keys", soon)
		switch {
		case got.StatusCode == 201:
			made.Add(1)
		case got.StatusCode == 409 && strings.Contains(got.body, "too_many_keys"):
			refused.Add(1)
		default:
			t.Errorf("%d: %s", got.StatusCode, got.body)
		}
	})
	if made.Load() != 5 || refused.Load() != 5 {
		t.Errorf("%d made, %d refused", made.Load(), refused.Load())
	}
	s.key(operator(), `{"name":"x","scopes":["openid"]}`) // another owner
	// What has expired does not count, and does not heap up.
	s.advance(2 * time.Hour)
	const endless = `{"name":"x","scopes":["openid"]}`
	s.key(owner, endless)
	s.key(owner, endless)
	if _, err := s.db.Pool.Exec(t.Context(), `INSERT INTO api_keys (id, name, owner_kind, owner_id, scopes, hash, created_at, expires_at)
		SELECT gen_random_uuid(), 'old', 'user', $1, '{}', 'x', now(), now() - interval '1 day' FROM generate_series(1, 50)`, ada.ID); err != nil {
		t.Fatal(err)
	}
	s.key(owner, endless)
	if n := s.column(`SELECT count(*)::text FROM api_keys WHERE owner_id = $1 GROUP BY expires_at IS NULL ORDER BY 1`, ada.ID); !slices.Equal(n, []string{"100", "3"}) {
		t.Errorf("%v keys, want 100 that have expired and 3", n)
	}
}
