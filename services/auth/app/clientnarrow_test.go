package app_test

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/postgres"
)

// own gets a token of the client's own.
func (s *system) own(c registered, status int) tokens {
	s.t.Helper()
	return s.browser().redeem(url.Values{"grant_type": {"client_credentials"}}, status, "Authorization", basic(c.ClientID, c.ClientSecret))
}

// active asks as the client whether a token counts.
func (s *system) active(c registered, token string) bool {
	s.t.Helper()
	var answer struct {
		Active bool `json:"active"`
	}
	s.browser().post("/oauth2/introspect", url.Values{"token": {token}}, "Authorization", basic(c.ClientID, c.ClientSecret)).want(s.t, 200).into(s.t, &answer)
	return answer.Active
}

// TestNarrowedClient: what is taken from a client is taken from the tokens that
// it holds, and from those that it gets later; nothing else ends.
func TestNarrowedClient(t *testing.T) {
	s := start(t)
	_, b := s.person("ada@example.com", "admin")
	c := s.register(`{"name":"m","type":"confidential","redirect_uris":["` + callback + `"],"grant_types":["authorization_code","refresh_token","client_credentials"],
		"scopes":["openid","users:read","users:write"],"resources":["https://api.example/"],"admin":true}`)
	bystander := s.register(`{"name":"o","type":"confidential","grant_types":["client_credentials"],"scopes":["users:read"]}`)
	others := s.own(bystander, 200).AccessToken
	path, header := "/v1/clients/"+c.ClientID, []string{"Authorization", basic(c.ClientID, c.ClientSecret)}
	const all = "openid users:read users:write"
	for _, patch := range []string{`{"name":"n","scopes":["openid","users:read","users:write","shop"]}`, `{"admin":false}`, `{"scopes":["openid","users:read"]}`, `{"resources":[]}`} {
		own := s.own(c, 200).AccessToken
		person := b.redeem(codeForm(c.ClientID, b.code(c.ClientID, "scope", all)), 200, header...)
		late := codeForm(c.ClientID, b.code(c.ClientID, "scope", all))
		s.call(operator(), "PATCH", path, patch).want(t, 200)
		keeps := patch[2] == 'n'
		if s.active(c, own) != keeps || s.active(c, person.AccessToken) != keeps {
			t.Errorf("%s: the client's own token is active: %t, that for a person: %t", patch, s.active(c, own), s.active(c, person.AccessToken))
		}
		again := b.redeem(refreshForm(c.ClientID, person.RefreshToken), 200, header...)
		first := b.redeem(late, 200, header...)
		if next := s.own(c, 200).AccessToken; !s.active(c, next) || !s.active(c, again.AccessToken) || !s.active(c, first.AccessToken) {
			t.Errorf("%s: new tokens are refused", patch)
		}
		if scope := again.Scope; scope != first.Scope || patch == `{"scopes":["openid","users:read"]}` && scope != "openid users:read" {
			t.Errorf("%s: later scopes: %q, %q", patch, again.Scope, first.Scope)
		}
	}
	if !s.active(bystander, others) {
		t.Error("another client's token has ended")
	}
	records := s.records("token.revoked")
	if len(records) != 3 || records[0].Subject != c.ClientID || records[0].Actor != "bootstrap" || records[0].Details["reason"] != "client_changed" || records[0].Details["access_tokens"] != "7" {
		t.Errorf("records: %+v", records)
	}
	if kinds := s.column(`SELECT DISTINCT kind FROM revocations`); !slices.Equal(kinds, []string{"jti"}) {
		t.Errorf("kinds of revocation: %v", kinds)
	}
	noted := func() string { return s.column(`SELECT count(*)::text FROM client_access_tokens`)[0] }
	if n := noted(); n != "2" {
		t.Errorf("%s tokens are noted, want 2", n)
	}
	if _, err := postgres.NewSweeper(s.db).Sweep(t.Context(), s.now().Add(time.Hour)); err != nil || noted() != "0" {
		t.Errorf("%s tokens are noted after their time (%v)", noted(), err)
	}
}

// TestNarrowedResource: a grant gives no token for what the client lost.
func TestNarrowedResource(t *testing.T) {
	s := start(t)
	_, b := s.person("ada@example.com")
	c := s.register(`{"name":"m","type":"public","redirect_uris":["` + callback + `"],"scopes":["openid"],"resources":["https://api.example/"]}`)
	got := b.tokens(c.ClientID, "scope", "openid", "resource", "https://api.example/")
	s.call(operator(), "PATCH", "/v1/clients/"+c.ClientID, `{"resources":[]}`).want(t, 200)
	if got := b.redeem(refreshForm(c.ClientID, got.RefreshToken), 400); got.Error != "invalid_target" {
		t.Errorf("error %q", got.Error)
	}
}

// TestTokensWhileClientIsNarrowed: whichever comes first, no token that allows
// more is left.
func TestTokensWhileClientIsNarrowed(t *testing.T) {
	s := start(t)
	c := s.register(`{"name":"m","type":"confidential","grant_types":["client_credentials"],"scopes":["users:read","users:write"]}`)
	store := postgres.NewClients(s.db)
	before, err := store.Client(t.Context(), c.ClientID)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var all []tokens
	simultaneously(12, func(i int) {
		if i == 6 {
			s.call(operator(), "PATCH", "/v1/clients/"+c.ClientID, `{"scopes":["users:read"]}`).want(t, 200)
			return
		}
		got := s.browser().post("/oauth2/token", url.Values{"grant_type": {"client_credentials"}}, "Authorization", basic(c.ClientID, c.ClientSecret))
		var token tokens
		got.into(t, &token)
		if got.StatusCode != http.StatusOK && token.Error != "invalid_scope" {
			t.Errorf("%d: %s", got.StatusCode, got.body)
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, token)
	})
	for _, token := range all {
		if token.AccessToken != "" && s.active(c, token.AccessToken) != (token.Scope == "users:read") {
			t.Errorf("a token with the scopes %q is active: %t", token.Scope, token.Scope != "users:read")
		}
	}
	late := auth.AccessTokenRecord{ID: "01890000-0000-7000-8000-000000000001", ExpiresAt: s.now()}
	if err := store.NoteClientToken(t.Context(), before, late); !errors.Is(err, auth.ErrConflict) {
		t.Errorf("a token for what the client was before: %v", err)
	}
}

// TestRefreshWhileClientIsNarrowed refreshes tokens of people meanwhile: none
// with the old scopes outlives the change.
func TestRefreshWhileClientIsNarrowed(t *testing.T) {
	s := start(t)
	client := s.register(`{"name":"m","type":"confidential","redirect_uris":["https://app.example/cb"],"grant_types":["authorization_code","refresh_token"],
		"scopes":["openid","offline_access","users:read"]}`)
	store := postgres.NewClients(s.db)
	before, err := store.Client(t.Context(), client.ClientID)
	if err != nil {
		t.Fatal(err)
	}
	families := postgres.NewRefresh(s.db)
	family := auth.RefreshFamily{}
	now := s.now()
	_, err = s.db.Pool.Exec(t.Context(), `INSERT INTO refresh_families (id, client_id, user_id, session_id, scopes, audience, auth_time, current_hash, rotated_at, created_at, expires_at, idle_expires_at)
		VALUES ('01890000-0000-7000-8000-0000000000f1', $1, '01890000-0000-7000-8000-0000000000a1', '01890000-0000-7000-8000-0000000000b1', '{openid,offline_access,users:read}', '{gatehouse}', $2, '\x01', $2, $2, $3, $3)`,
		client.ClientID, now, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if family, err = families.Family(t.Context(), "01890000-0000-7000-8000-0000000000f1"); err != nil {
		t.Fatal(err)
	}
	s.call(operator(), "PATCH", "/v1/clients/"+client.ClientID, `{"scopes":["openid","offline_access"]}`).want(t, 200)
	rotation := auth.Rotation{
		FamilyID: family.ID, ClientID: client.ClientID, PresentedHash: []byte{1}, SuccessorHash: []byte{2}, IdleExpiresAt: now.Add(time.Hour),
		Issued: auth.AccessTokenRecord{ID: "01890000-0000-7000-8000-000000000001", ExpiresAt: now.Add(time.Minute)}, Client: before, Now: now,
	}
	if err := families.Rotate(t.Context(), rotation); !errors.Is(err, auth.ErrConflict) {
		t.Errorf("a token for what the client was before: %v", err)
	}
	if rotation.Client, err = store.Client(t.Context(), client.ClientID); err != nil {
		t.Fatal(err)
	}
	if err := families.Rotate(t.Context(), rotation); err != nil {
		t.Errorf("a token for what the client is: %v", err)
	}
	rotation.Client = before
	rotation.Issued.ID = "01890000-0000-7000-8000-000000000002"
	if err := families.Repeat(t.Context(), rotation, now.Add(-time.Minute)); !errors.Is(err, auth.ErrConflict) {
		t.Errorf("the same again for what the client was before: %v", err)
	}
	// Past the grace it is a replay, whatever the client is.
	if err := families.Repeat(t.Context(), rotation, now.Add(time.Minute)); !errors.Is(err, auth.ErrConsumed) {
		t.Errorf("a replay: %v", err)
	}
}
