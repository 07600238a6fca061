package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse.example/internal/event"
	"gatehouse.example/internal/identity"
	"gatehouse.example/services/auth/postgres"
)

// request sends JSON with further header fields, as pairs.
func (s *system) request(p identity.Principal, method, path, body string, header ...string) answer {
	s.t.Helper()
	token, _, err := s.minter.Mint(p, "gatehouse")
	if err != nil {
		s.t.Fatal(err)
	}
	h := http.Header{"Authorization": {"Bearer " + token}}
	if body != "" {
		h.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return s.browser().do(method, path, strings.NewReader(body), h)
}

// works reports whether the key verifies, and until when.
func (s *system) works(key string) (until *time.Time, ok bool) {
	s.t.Helper()
	k, err := s.authapi().VerifyAPIKey(s.t.Context(), key)
	return k.ExpiresAt, err == nil
}

// audited returns the actions recorded about a subject, the oldest first.
func (s *system) audited(subjectID string) []string {
	s.t.Helper()
	return s.column(`SELECT action FROM audit_log WHERE subject_id = $1 ORDER BY id`, subjectID)
}

// told returns the data of the events of a type, the oldest first.
func (s *system) told(typ string) []string {
	s.t.Helper()
	return s.column(`SELECT event->>'data' FROM outbox WHERE type = $1 ORDER BY seq`, typ)
}

func (s *system) column(query string, args ...any) []string {
	s.t.Helper()
	rows, err := s.db.Pool.Query(s.t.Context(), query, args...)
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	all := []string{}
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			s.t.Fatal(err)
		}
		all = append(all, v)
	}
	if err := rows.Err(); err != nil {
		s.t.Fatal(err)
	}
	return all
}

// user is a person as the gateway passes it on.
func user(id string, scopes ...string) identity.Principal {
	return identity.Principal{Kind: identity.KindUser, Subject: id, ClientID: "c", Scopes: scopes}
}

// TestRotationOverlaps walks a key from secret to secret.
func TestRotationOverlaps(t *testing.T) {
	s := start(t)
	first := s.key(operator(), `{"name":"ci","scopes":["users:read"]}`)
	path := "/v1/api-keys/" + first.ID + "/rotate"
	var second, third apiKey
	s.call(operator(), "POST", path, `{"overlap_seconds":3600}`).want(t, 200).into(t, &second)
	if second.ID != first.ID || second.Key == first.Key || second.Key == "" {
		t.Fatalf("rotated: %+v", second)
	}
	until, ok := s.works(first.Key)
	if !ok || until == nil || until.Sub(s.now()).Round(time.Minute) != time.Hour || until.Nanosecond() != 0 {
		t.Errorf("the old secret: %v, until %v, want an hour", ok, until)
	}
	if until, ok := s.works(second.Key); !ok || until != nil {
		t.Errorf("the new secret: %v, until %v", ok, until)
	}
	s.call(operator(), "POST", path, `{"overlap_seconds":7200}`).want(t, 200).into(t, &third)
	for i, want := range []bool{false, true, true} {
		if _, ok := s.works([]string{first.Key, second.Key, third.Key}[i]); ok != want {
			t.Errorf("secret %d works: %v", i+1, ok)
		}
	}
	s.advance(2*time.Hour + time.Second)
	if _, ok := s.works(second.Key); ok {
		t.Error("the old secret outlives the overlap")
	}
	var view struct {
		Key               *string `json:"key"`
		PreviousExpiresAt *string `json:"previous_expires_at"`
	}
	got := s.call(operator(), "GET", "/v1/api-keys/"+first.ID, "").want(t, 200)
	if got.into(t, &view); view.Key != nil || view.PreviousExpiresAt != nil || got.Header.Get("ETag") != `"3"` {
		t.Errorf("after the overlap: %s, ETag %s", got.body, got.Header.Get("ETag"))
	}
	if diff := cmp.Diff([]string{"key.created", "key.rotated", "key.rotated"}, s.audited(first.ID)); diff != "" {
		t.Errorf("audit log (-want +got):\n%s", diff)
	}
}

// TestRotationWithoutOverlap ends the old secret alone, by the id that gateways
// look for.
func TestRotationWithoutOverlap(t *testing.T) {
	s := start(t)
	first := s.key(operator(), `{"name":"ci","scopes":["users:read"]}`)
	before, err := s.authapi().VerifyAPIKey(t.Context(), first.Key)
	if err != nil || !strings.HasPrefix(before.RevocationID, first.ID+"#") {
		t.Fatalf("verified: %+v, %v", before, err)
	}
	var second apiKey
	s.call(operator(), "POST", "/v1/api-keys/"+first.ID+"/rotate", "").want(t, 200).into(t, &second)
	if _, ok := s.works(first.Key); ok {
		t.Error("the old secret works")
	}
	after, err := s.authapi().VerifyAPIKey(t.Context(), second.Key)
	if err != nil || after.RevocationID == before.RevocationID {
		t.Errorf("the new secret: %+v, %v", after, err)
	}
	revoked := s.column(`SELECT id FROM revocations WHERE kind = 'key'`)
	if diff := cmp.Diff([]string{before.RevocationID}, revoked); diff != "" {
		t.Errorf("list of revocations (-want +got):\n%s", diff)
	}
	if notices := s.told(postgres.TypeRevoked); len(notices) != 1 {
		t.Errorf("gateways are told %v", notices)
	}
	want := []string{`{"key_id": "` + first.ID + `", "reason": "rotated", "owner_id": "bootstrap", "owner_kind": "client"}`}
	if diff := cmp.Diff(want, s.told(event.TypeKeyRevoked)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	s.call(operator(), "DELETE", "/v1/api-keys/"+first.ID, "").want(t, 204)
	if _, ok := s.works(second.Key); ok {
		t.Error("a revoked key works")
	}
	if diff := cmp.Diff([]string{"key.created", "key.rotated", "key.revoked"}, s.audited(first.ID)); diff != "" {
		t.Errorf("audit log (-want +got):\n%s", diff)
	}
}

// TestRotationsAtOnce leaves at most two secrets, and one without overlap; with
// If-Match one of them wins.
func TestRotationsAtOnce(t *testing.T) {
	s := start(t)
	for _, overlap := range []int{0, 600} {
		k := s.key(operator(), `{"name":"ci","scopes":["users:read"]}`)
		keys := make([]apiKey, 8)
		simultaneously(len(keys), func(i int) {
			s.call(operator(), "POST", "/v1/api-keys/"+k.ID+"/rotate", fmt.Sprintf(`{"overlap_seconds":%d}`, overlap)).want(t, 200).into(t, &keys[i])
		})
		working := 0
		for _, k := range append(keys, k) {
			if _, ok := s.works(k.Key); ok {
				working++
			}
		}
		if want := 1 + min(overlap, 1); working != want {
			t.Errorf("overlap %d: %d secrets work, want %d", overlap, working, want)
		}
		s.advance(time.Hour)
		working = 0
		for _, k := range append(keys, k) {
			if _, ok := s.works(k.Key); ok {
				working++
			}
		}
		if working != 1 {
			t.Errorf("overlap %d: %d secrets work afterwards", overlap, working)
		}
	}
	k := s.key(operator(), `{"name":"ci","scopes":["users:read"]}`)
	var mu sync.Mutex
	statuses := map[int]int{}
	simultaneously(8, func(int) {
		got := s.request(operator(), "POST", "/v1/api-keys/"+k.ID+"/rotate", "", "If-Match", `"1"`)
		mu.Lock()
		defer mu.Unlock()
		statuses[got.StatusCode]++
	})
	if diff := cmp.Diff(map[int]int{200: 1, 412: 7}, statuses); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
}
