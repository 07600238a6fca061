package app_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/identity"
	"gatehouse.example/services/auth/postgres"
)

type apiKey struct {
	ID  string `json:"id"`
	Key string `json:"key"`
}

func (s *system) key(p identity.Principal, body string) apiKey {
	s.t.Helper()
	var k apiKey
	s.call(p, "POST", "/v1/api-keys", body).want(s.t, http.StatusCreated).into(s.t, &k)
	return k
}

// TestAPIKeys walks the life of a key.
func TestAPIKeys(t *testing.T) {
	s := start(t)
	k := s.key(operator(), `{"name":"ci","scopes":["users:read","users:write"]}`)
	if !regexp.MustCompile(`^gatehouse_test_[0-9a-f]{32}_[A-Z2-7]{52}[0-9a-f]{8}$`).MatchString(k.Key) {
		t.Errorf("key %q", k.Key)
	}
	if allowed, err := s.authapi().VerifyAPIKey(t.Context(), k.Key); err != nil || allowed.ID != k.ID || allowed.OwnerKind != "client" || allowed.OwnerID != "bootstrap" {
		t.Errorf("verified: %+v, %v", allowed, err)
	}
	verify := func(key string) (scopes []string, ok bool) {
		t.Helper()
		resp := s.call(identity.Principal{}, "POST", "/internal/v1/api-keys/verify", `{"key":"`+key+`"}`)
		if resp.StatusCode == http.StatusNotFound && strings.Contains(resp.body, "key_invalid") {
			return nil, false
		}
		var allowed struct {
			Scopes []string `json:"scopes"`
		}
		resp.want(t, http.StatusOK).into(t, &allowed)
		return allowed.Scopes, true
	}
	if scopes, ok := verify(k.Key); !ok || !slices.Equal(scopes, []string{"users:read", "users:write"}) {
		t.Errorf("scopes %v, %v", scopes, ok)
	}
	last := k.Key[len(k.Key)-9]
	flipped := "A"
	if last == 'A' {
		flipped = "B"
	}
	for _, bad := range []string{"", "x", k.Key + "0", k.Key[:len(k.Key)-1], k.Key[:len(k.Key)-9] + flipped + k.Key[len(k.Key)-8:], strings.Replace(k.Key, "test", "prod", 1)} {
		if _, ok := verify(bad); ok {
			t.Errorf("%q verifies", bad)
		}
	}
	var list struct {
		Items []map[string]any `json:"items"`
	}
	s.call(operator(), "GET", "/v1/api-keys", "").want(t, 200).into(t, &list)
	if len(list.Items) != 1 || list.Items[0]["key"] != nil || list.Items[0]["name"] != "ci" {
		t.Errorf("list: %v", list)
	}
	stranger := identity.Principal{Kind: identity.KindClient, Subject: "other", ClientID: "other", Scopes: []string{"users:read"}}
	s.call(stranger, "DELETE", "/v1/api-keys/"+k.ID, "").want(t, 404)
	s.call(operator(), "DELETE", "/v1/api-keys/"+k.ID, "").want(t, 204)
	if _, ok := verify(k.Key); ok {
		t.Error("a deleted key verifies")
	}
	var notices int
	if err := s.db.Pool.QueryRow(t.Context(), `SELECT count(*) FROM outbox WHERE type = $1 AND event->'data'->>'id' = $2`, postgres.TypeRevoked, k.ID).Scan(&notices); err != nil || notices != 1 {
		t.Errorf("gateways were told %d times (%v)", notices, err)
	}

	soon := s.key(operator(), `{"name":"soon","scopes":["users:read"],"expires_at":"`+s.now().Add(time.Hour).UTC().Format(time.RFC3339)+`"}`)
	if _, ok := verify(soon.Key); !ok {
		t.Error("a fresh key does not verify")
	}
	s.advance(2 * time.Hour)
	if _, ok := verify(soon.Key); ok {
		t.Error("an expired key verifies")
	}
	for body, pointer := range map[string]string{
		`{"name":"x","scopes":["admin"]}`:                                          "/scopes/0",
		`{"name":"x","scopes":["users:impersonate"]}`:                              "/scopes/0",
		`{"name":"x","scopes":[]}`:                                                 "/scopes",
		`{"name":"","scopes":["users:read"]}`:                                      "/name",
		`{"name":"x","scopes":["users:read"],"expires_at":"2001-01-01T00:00:00Z"}`: "/expires_at",
		`{"name":"x","scopes":["users:read"],"expires_at":"tomorrow"}`:             "/expires_at",
		`{"name":"x","scopes":["users:read"],"colour":"red"}`:                      "/colour",
	} {
		if resp := s.call(operator(), "POST", "/v1/api-keys", body).want(t, 422); !strings.Contains(resp.body, `"pointer":"`+pointer+`"`) {
			t.Errorf("%s: %s", body, resp.body)
		}
	}
}

// TestUserAPIKeys bounds a person's key by what the person may do when it is
// used.
func TestUserAPIKeys(t *testing.T) {
	s := start(t)
	account, _ := s.person("ada@example.com", "admin")
	admin := identity.Principal{Kind: identity.KindUser, Subject: account.ID, ClientID: "c", Scopes: []string{"users:read", "openid"}, Roles: []string{"admin"}}
	plain := admin
	plain.Roles = nil
	s.call(plain, "POST", "/v1/api-keys", `{"name":"x","scopes":["users:read"]}`).want(t, 422)
	s.call(admin, "POST", "/v1/api-keys", `{"name":"x","scopes":["users:write"]}`).want(t, 422)
	k := s.key(admin, `{"name":"x","scopes":["users:read","openid"]}`)
	verify := func(status int) string {
		return s.call(identity.Principal{}, "POST", "/internal/v1/api-keys/verify", `{"key":"`+k.Key+`"}`).want(t, status).body
	}
	if got := verify(200); !strings.Contains(got, `"scopes":["users:read","openid"]`) || !strings.Contains(got, `"roles":["admin"]`) {
		t.Errorf("administrator's key: %s", got)
	}
	s.users.change(account.ID, func(a *userapi.Account) { a.Roles = nil })
	if got := verify(200); !strings.Contains(got, `"scopes":["openid"]`) {
		t.Errorf("key of who is no administrator any more: %s", got)
	}
	s.users.change(account.ID, func(a *userapi.Account) { a.Status = userapi.StatusSuspended })
	verify(404)
	// The access token is good for a moment longer.
	s.call(admin, "POST", "/v1/api-keys", `{"name":"later","scopes":["openid"]}`).want(t, 403)
	admin.Subject = "01890000-0000-7000-8000-000000000000" // deleted
	s.call(admin, "POST", "/v1/api-keys", `{"name":"later","scopes":["openid"]}`).want(t, 403)
}

// TestKeyMakesNoKey: what a leaked key may do ends with it.
func TestKeyMakesNoKey(t *testing.T) {
	s := start(t)
	account, _ := s.person("ada@example.com")
	token := identity.Principal{Kind: identity.KindUser, Subject: account.ID, ClientID: "c", TokenID: "01890000-0000-7000-8000-000000000001", Scopes: []string{"openid"}}
	for name, owner := range map[string]identity.Principal{"user": token, "client": operator()} {
		body := `{"name":"x","scopes":["` + map[string]string{"user": "openid", "client": "users:read"}[name] + `"]}`
		k := s.key(owner, body)
		presented := owner
		presented.TokenID = k.ID
		s.call(presented, "GET", "/v1/api-keys", "").want(t, 200)
		if got := s.call(presented, "POST", "/v1/api-keys", body).want(t, 403); !strings.Contains(got.body, "token_required") {
			t.Errorf("%s: %s", name, got.body)
		}
		s.key(owner, body)
	}
}

// TestSessionsAPI lists and ends one's own sessions.
func TestSessionsAPI(t *testing.T) {
	s := start(t)
	client := s.publicClient()
	ada, adas := s.person("ada@example.com")
	bob, _ := s.person("bob@example.com")
	got := adas.tokens(client.ClientID, "scope", "openid offline_access")
	_, payload := claims(t, got.AccessToken)
	sid := payload["sid"].(string)
	caller := func(id string) identity.Principal {
		return identity.Principal{Kind: identity.KindUser, Subject: id, ClientID: client.ClientID, SessionID: sid, Scopes: []string{"openid"}}
	}
	var list struct {
		Items []struct {
			ID      string `json:"id"`
			Current bool   `json:"current"`
		} `json:"items"`
	}
	s.call(caller(ada.ID), "GET", "/v1/sessions", "").want(t, 200).into(t, &list)
	if len(list.Items) != 1 || list.Items[0].ID != sid || !list.Items[0].Current {
		t.Errorf("sessions: %+v", list)
	}
	s.call(operator(), "GET", "/v1/sessions", "").want(t, 400)
	s.call(caller(bob.ID), "DELETE", "/v1/sessions/"+sid, "").want(t, 404)
	s.call(caller(ada.ID), "DELETE", "/v1/sessions/x", "").want(t, 404)
	code := adas.code(client.ClientID)
	s.call(caller(ada.ID), "DELETE", "/v1/sessions/"+sid, "").want(t, 204)
	adas.redeem(codeForm(client.ClientID, code), 400)
	s.call(caller(ada.ID), "DELETE", "/v1/sessions/"+sid, "").want(t, 404)
	adas.get("/account").want(t, http.StatusSeeOther)
	adas.redeem(refreshForm(client.ClientID, got.RefreshToken), 400)
	adas.do(http.MethodGet, "/oauth2/userinfo", nil, http.Header{"Authorization": {"Bearer " + got.AccessToken}}).want(t, 401)
}

// TestPeers is the deny-by-default table between services.
func TestPeers(t *testing.T) {
	s := start(t)
	for peer, may := range map[string][]string{
		"gateway": {"/login", "/v1/clients", "/oauth2/jwks", "/internal/v1/api-keys/verify"},
		"email":   {"/oauth2/jwks", "/internal/v1/challenges/01890a5d-ac96-774b-bcce-b302099a8057/link"},
		"user":    {"/oauth2/jwks"},
		"":        nil,
	} {
		s.as(peer)
		for _, path := range []string{"/login", "/v1/clients", "/oauth2/jwks", "/oauth2/authorize", "/internal/v1/challenges/01890a5d-ac96-774b-bcce-b302099a8057/link"} {
			status := s.call(operator(), "GET", path, "").StatusCode
			if path == "/oauth2/authorize" && peer == "gateway" {
				continue
			}
			if denied := status == http.StatusForbidden; denied == slices.Contains(may, path) {
				t.Errorf("%q on %s: status %d", peer, path, status)
			}
		}
		status := s.call(identity.Principal{}, "POST", "/internal/v1/api-keys/verify", `{"key":"x"}`).StatusCode
		if denied := status == http.StatusForbidden; denied == slices.Contains(may, "/internal/v1/api-keys/verify") {
			t.Errorf("%q on api-keys/verify: status %d", peer, status)
		}
	}
}

// TestSessionEndsWhileCodesAreRedeemed leaves no refresh token behind, whichever
// comes first.
func TestSessionEndsWhileCodesAreRedeemed(t *testing.T) {
	s := start(t)
	client := s.publicClient()
	ada, b := s.person("ada@example.com")
	codes := make([]string, 20)
	for i := range codes {
		codes[i] = b.code(client.ClientID, "scope", "openid offline_access")
	}
	_, payload := claims(t, b.tokens(client.ClientID).AccessToken)
	caller := identity.Principal{Kind: identity.KindUser, Subject: ada.ID, ClientID: client.ClientID, Scopes: []string{"openid"}}
	simultaneously(len(codes), func(i int) {
		if i == len(codes)/2 {
			s.call(caller, "DELETE", "/v1/sessions/"+payload["sid"].(string), "").want(t, 204)
			return
		}
		b.post("/oauth2/token", codeForm(client.ClientID, codes[i]))
	})
	var alive int
	if err := s.db.Pool.QueryRow(t.Context(), `SELECT count(*) FROM refresh_families WHERE revoked_at IS NULL`).Scan(&alive); err != nil || alive != 0 {
		t.Errorf("%d refresh tokens outlive their session (%v)", alive, err)
	}
}
