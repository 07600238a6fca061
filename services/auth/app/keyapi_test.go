package app_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/bus"
	"gatehouse.example/internal/event"
	"gatehouse.example/internal/identity"
)

// TestOthersKeys: who may see, change and get to see what of whom.
func TestOthersKeys(t *testing.T) {
	s := start(t)
	ada, _ := s.person("ada@example.com")
	bob, _ := s.person("bob@example.com")
	owner, other := user(ada.ID, "openid"), user(bob.ID, "openid")
	reader, writer := user(bob.ID, "keys:read"), user(bob.ID, "keys:read", "keys:write")
	reader.Permissions, writer.Permissions = []string{"keys:read"}, []string{"keys:read", "keys:write"}
	scopeAlone := user(bob.ID, "keys:read", "keys:write")
	k := s.key(owner, `{"name":"x","scopes":["openid"]}`)
	byKey := owner
	byKey.TokenID = k.ID
	namesake := identity.Principal{Kind: identity.KindClient, Subject: ada.ID, ClientID: ada.ID, Scopes: []string{"users:read"}}
	path, list := "/v1/api-keys/"+k.ID, "/v1/api-keys?owner_id="+ada.ID
	for _, row := range []struct {
		name         string
		caller       identity.Principal
		method, path string
		body         string
		status       int
	}{
		{"owner reads", owner, "GET", path, "", 200},
		{"other reads", other, "GET", path, "", 404},
		{"scope without permission reads", scopeAlone, "GET", path, "", 404},
		{"client of the same id reads", namesake, "GET", path, "", 404},
		{"keys:read reads", reader, "GET", path, "", 200},
		{"operator reads", operator(), "GET", path, "", 200},
		{"owner lists itself", owner, "GET", list, "", 200},
		{"other lists", other, "GET", list, "", 403},
		{"keys:read lists", reader, "GET", list, "", 200},
		{"client of the same id lists", namesake, "GET", list, "", 403},
		{"other renames", other, "PATCH", path, `{"name":"y"}`, 404},
		{"keys:read renames", reader, "PATCH", path, `{"name":"y"}`, 403},
		{"keys:write renames", writer, "PATCH", path, `{"name":"y"}`, 200},
		{"keys:write rotates", writer, "POST", path + "/rotate", `{}`, 403},
		{"operator rotates", operator(), "POST", path + "/rotate", `{}`, 403},
		{"other rotates", other, "POST", path + "/rotate", `{}`, 404},
		{"the key rotates itself", byKey, "POST", path + "/rotate", `{}`, 403},
		{"owner rotates", owner, "POST", path + "/rotate", `{}`, 200},
		{"other deletes", other, "DELETE", path, "", 404},
		{"keys:read deletes", reader, "DELETE", path, "", 403},
		{"keys:write deletes", writer, "DELETE", path, "", 204},
		{"owner reads what is gone", owner, "GET", path, "", 404},
	} {
		if got := s.call(row.caller, row.method, row.path, row.body); got.StatusCode != row.status {
			t.Errorf("%s: %d, want %d: %s", row.name, got.StatusCode, row.status, got.body)
		}
	}
	who := s.column(`SELECT actor_id FROM audit_log WHERE subject_id = $1 AND action = 'key.revoked'`, k.ID)
	if !slices.Equal(who, []string{bob.ID}) {
		t.Errorf("revoked by %v, want the administrator", who)
	}
	late := s.key(owner, `{"name":"x","scopes":["openid"]}`)
	s.users.change(ada.ID, func(a *userapi.Account) { a.Status = userapi.StatusSuspended })
	s.call(owner, "POST", "/v1/api-keys/"+late.ID+"/rotate", "").want(t, 403)
}

// TestKeyRequests refuses what does not fit, in every place.
func TestKeyRequests(t *testing.T) {
	s := start(t)
	k := s.key(operator(), `{"name":"ci","scopes":["users:read"],"expires_at":"`+s.now().Add(time.Hour).UTC().Format(time.RFC3339)+`"}`)
	path := "/v1/api-keys/" + k.ID
	big := `{"name":"` + strings.Repeat("x", 10<<20) + `"}`
	const patch = "application/merge-patch+json"
	for _, row := range []struct {
		method, path, contentType, body string
		status                          int
		has                             string
	}{
		{"GET", "/v1/api-keys/x", "", "", 404, "not_found"},
		{"GET", "/v1/api-keys/%00", "", "", 404, "not_found"},
		{"GET", "/v1/api-keys?limit=0", "", "", 400, "invalid_parameter"},
		{"GET", "/v1/api-keys?cursor=!", "", "", 400, "invalid_parameter"},
		{"GET", "/v1/api-keys?user_id=x", "", "", 400, `"name":"user_id"`},
		{"GET", "/v1/api-keys?owner_kind=role&owner_id=x", "", "", 400, "owner_kind"},
		{"GET", "/v1/api-keys?owner_kind=user", "", "", 400, "owner_id"},
		{"GET", "/v1/api-keys?owner_id=%00", "", "", 400, "owner_id"},
		{"GET", "/v1/api-keys?owner_id=%ff", "", "", 400, "owner_id"},
		{"PATCH", path, patch, `{"name":"` + strings.Repeat("ü", 200) + `"}`, 200, "üü"},
		{"PATCH", path, patch, `{}`, 200, "üü"},
		{"PATCH", path, patch, `{"name":null}`, 422, `"/name"`},
		{"PATCH", path, patch, `{"name":" "}`, 422, `"/name"`},
		{"PATCH", path, patch, `{"name":"a\u0000b"}`, 422, `"/name"`},
		{"PATCH", path, patch, `{"name":"` + strings.Repeat("ü", 201) + `"}`, 422, `"/name"`},
		{"PATCH", path, patch, `{"name":3}`, 422, `"/name"`},
		{"PATCH", path, patch, `{"scopes":["admin"]}`, 422, `"/scopes"`},
		{"PATCH", path, patch, `{"scopes":null}`, 422, `"/scopes"`},
		{"PATCH", path, patch, `[]`, 422, "object"},
		{"PATCH", path, patch, `null`, 422, "object"},
		{"PATCH", path, patch, ``, 400, "invalid_json"},
		{"PATCH", path, patch, `{"name":"x"`, 400, "invalid_json"},
		{"PATCH", path, patch, "{\"name\":\"\xff\"}", 400, "invalid_json"},
		{"PATCH", path, patch, `{"name":"x","name":"y"}`, 400, "invalid_json"},
		{"PATCH", path, patch, big, 413, "body_too_large"},
		{"PATCH", path, "text/plain", `{"name":"x"}`, 415, "unsupported"},
		{"POST", path + "/rotate", "application/json", `{"overlap_seconds":-1}`, 422, `"/overlap_seconds"`},
		{"POST", path + "/rotate", "application/json", `{"overlap_seconds":604801}`, 422, `"/overlap_seconds"`},
		{"POST", path + "/rotate", "application/json", `{"overlap_seconds":1.5}`, 422, `"/overlap_seconds"`},
		{"POST", path + "/rotate", "application/json", `{"overlap_seconds":1e30}`, 422, `"/overlap_seconds"`},
		{"POST", path + "/rotate", "application/json", `{"overlap_seconds":"1h"}`, 422, `"/overlap_seconds"`},
		{"POST", path + "/rotate", "application/json", `{"overlap":1}`, 422, `"/overlap"`},
		{"POST", path + "/rotate", "application/json", big, 413, "body_too_large"},
		{"POST", path + "/rotate", "", `{}`, 415, "unsupported"},
		{"PUT", path, "application/json", `{}`, 405, "method_not_allowed"},
		{"GET", path + "/rotate", "", "", 405, "method_not_allowed"},
	} {
		got := s.request(operator(), row.method, row.path, row.body, "Content-Type", row.contentType)
		if got.StatusCode != row.status || !strings.Contains(got.body, row.has) {
			t.Errorf("%s %s %.60s: %d, want %d with %q: %s", row.method, row.path, row.body, got.StatusCode, row.status, row.has, got.body)
		}
	}
	for method, path := range map[string]string{"PATCH": path, "POST": path + "/rotate", "DELETE": path} {
		s.request(operator(), method, path, map[string]string{"PATCH": `{"name":"z"}`}[method], "If-Match", `"7"`).want(t, 412)
		s.request(operator(), method, path, map[string]string{"PATCH": `{"name":"z"}`}[method], "If-Match", `W/"2"`).want(t, 412)
	}
	s.request(operator(), "PATCH", path, `{"name":"z"}`, "If-Match", `"1", "2"`).want(t, 200)
	s.advance(2 * time.Hour)
	if got := s.call(operator(), "POST", path+"/rotate", "").want(t, 409); !strings.Contains(got.body, "key_expired") {
		t.Errorf("rotation of an expired key: %s", got.body)
	}
	if diff := cmp.Diff([]string{"key.created", "key.updated", "key.updated"}, s.audited(k.ID)); diff != "" {
		t.Errorf("audit log (-want +got):\n%s", diff)
	}
}

// TestKeysAreNotRepeated: an answer with a secret is kept for nobody.
func TestKeysAreNotRepeated(t *testing.T) {
	s := start(t)
	secrets := map[string]bool{}
	for range 2 {
		var k apiKey
		got := s.request(operator(), "POST", "/v1/api-keys", `{"name":"x","scopes":["users:read"]}`, "Idempotency-Key", "one").want(t, 201)
		if got.into(t, &k); got.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("Cache-Control %q", got.Header.Get("Cache-Control"))
		}
		secrets[k.Key] = true
	}
	if len(secrets) != 2 {
		t.Error("the second answer repeats the first one's secret")
	}
}

// TestKeyListPages walks the pages of an owner's keys.
func TestKeyListPages(t *testing.T) {
	s := start(t)
	want := []string{}
	for range 5 {
		want = append(want, s.key(operator(), `{"name":"x","scopes":["users:read"]}`).ID)
	}
	got, cursor := []string{}, ""
	for {
		var page struct {
			Items      []apiKey `json:"items"`
			NextCursor *string  `json:"next_cursor"`
		}
		s.call(operator(), "GET", "/v1/api-keys?limit=2&cursor="+cursor, "").want(t, 200).into(t, &page)
		for _, k := range page.Items {
			got = append(got, k.ID)
		}
		if page.NextCursor == nil {
			break
		}
		cursor = *page.NextCursor
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

// TestKeyScopesFollowTheOwner: what a key allows is what its owner may do when
// it is used.
func TestKeyScopesFollowTheOwner(t *testing.T) {
	s := start(t)
	machine := s.register(`{"name":"m","type":"confidential","grant_types":["client_credentials"],"scopes":["users:read","messages:send","shop"]}`)
	owner := identity.Principal{Kind: identity.KindClient, Subject: machine.ClientID, ClientID: machine.ClientID, Scopes: []string{"users:read", "messages:send", "shop"}}
	k := s.key(owner, `{"name":"x","scopes":["users:read","messages:send","shop"]}`)
	scopes := func(key string) []string {
		t.Helper()
		got, err := s.authapi().VerifyAPIKey(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		return got.Scopes
	}
	if got := scopes(k.Key); !slices.Equal(got, []string{"users:read", "messages:send", "shop"}) {
		t.Errorf("client's key: %v", got)
	}
	s.call(operator(), "PATCH", "/v1/clients/"+machine.ClientID, `{"scopes":["messages:send"]}`).want(t, 200)
	if got := scopes(k.Key); !slices.Equal(got, []string{"messages:send"}) {
		t.Errorf("key of a client that may do less: %v", got)
	}
	s.call(operator(), "DELETE", "/v1/clients/"+machine.ClientID, "").want(t, 204)
	if _, ok := s.works(k.Key); ok {
		t.Error("the key of a client that is gone works")
	}
	// A permission that an operator made counts like ours.
	ada, _ := s.person("ada@example.com")
	person := user(ada.ID, "openid", "orders:read")
	s.call(person, "POST", "/v1/api-keys", `{"name":"x","scopes":["orders:read"]}`).want(t, 422)
	person.Permissions = []string{"orders:read"}
	own := s.key(person, `{"name":"x","scopes":["orders:read","openid"]}`)
	if got := scopes(own.Key); !slices.Equal(got, []string{"openid"}) {
		t.Errorf("key of a person that lost the permission: %v", got)
	}
}

// TestKeyLastUse is written beside the answers, once a minute, and ends in no
// version; rotations and changed clients reach who holds a copy.
func TestKeyLastUse(t *testing.T) {
	b := connect(t)
	s := start(t, b)
	k := s.key(operator(), `{"name":"ci","scopes":["users:read"]}`)
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	wait.Go(func() {
		if err := s.app.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	defer wait.Wait()
	defer cancel()
	lastUse := func() string {
		var view struct {
			LastUsedAt *string `json:"last_used_at"`
		}
		s.call(operator(), "GET", "/v1/api-keys/"+k.ID, "").want(t, 200).into(t, &view)
		if view.LastUsedAt == nil {
			return ""
		}
		return *view.LastUsedAt
	}
	if got := lastUse(); got != "" {
		t.Errorf("last use of a new key: %s", got)
	}
	s.works(k.Key)
	eventually(t, "the last use", func() bool { return lastUse() != "" })
	first := lastUse()
	for range 3 {
		s.works(k.Key)
	}
	s.advance(2 * time.Minute)
	s.works(k.Key)
	eventually(t, "the next use", func() bool { return lastUse() != first })
	if tag := s.call(operator(), "GET", "/v1/api-keys/"+k.ID, "").Header.Get("ETag"); tag != `"1"` {
		t.Errorf("a use changed the version: %s", tag)
	}

	notices := make(chan string, 8)
	if err := b.Subscribe(t.Context(), event.NoticePrincipals, func(data []byte) { notices <- string(data) }); err != nil {
		t.Fatal(err)
	}
	revocations, err := bus.FollowRevocations(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	before, err := s.authapi().VerifyAPIKey(t.Context(), k.Key)
	if err != nil {
		t.Fatal(err)
	}
	s.call(operator(), "POST", "/v1/api-keys/"+k.ID+"/rotate", "").want(t, 200)
	eventually(t, "the old secret on the list", func() bool { return revocations.Revoked("key", before.RevocationID) })
	if revocations.Revoked("key", k.ID) {
		t.Error("the key itself is on the list")
	}
	c := s.publicClient()
	s.call(operator(), "PATCH", "/v1/clients/"+c.ClientID, `{"name":"other"}`).want(t, 200)
	s.call(operator(), "DELETE", "/v1/clients/"+c.ClientID, "").want(t, 204)
	for _, want := range []string{"client bootstrap", "client " + c.ClientID, "client " + c.ClientID} {
		select {
		case got := <-notices:
			if got != want {
				t.Errorf("notice %q, want %q", got, want)
			}
		case <-time.After(15 * time.Second):
			t.Fatalf("no notice %q", want)
		}
	}
}
