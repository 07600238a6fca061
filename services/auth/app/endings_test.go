package app_test

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/event"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/telemetry"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/postgres"
)

func (s *system) endings() *postgres.Endings { return postgres.NewEndings(s.db, 5*time.Minute) }

func sessionOf(t *testing.T, token string) string {
	t.Helper()
	_, payload := claims(t, token)
	sid, ok := payload["sid"].(string)
	if !ok {
		t.Fatal("the token names no session")
	}
	return sid
}

// TestEndOthers ends every session but one, says so, and leaves the one alone.
func TestEndOthers(t *testing.T) {
	s := start(t)
	client := s.publicClient()
	ada, here := s.person("ada@example.com")
	bob, bobs := s.person("bob@example.com")
	there := s.browser()
	there.post("/login", url.Values{"login": {"ada@example.com"}, "password": {goodPassword}}).want(t, 303)
	kept, ended, bystander := here.tokens(client.ClientID), there.tokens(client.ClientID, "scope", "openid offline_access"), bobs.tokens(client.ClientID)
	if err := s.endings().EndOthers(t.Context(), ada.ID, sessionOf(t, kept.AccessToken), auth.EndedPassword, s.now()); err != nil {
		t.Fatal(err)
	}
	here.redeem(refreshForm(client.ClientID, kept.RefreshToken), 200)
	there.redeem(refreshForm(client.ClientID, ended.RefreshToken), 400)
	bobs.redeem(refreshForm(client.ClientID, bystander.RefreshToken), 200)
	here.get("/account").want(t, 200)
	there.get("/account").want(t, 303)
	gone := sessionOf(t, ended.AccessToken)
	want := []map[string]any{{"user_id": ada.ID, "session_id": gone, "reason": "password"}}
	if diff := cmp.Diff(want, s.events(event.TypeSessionRevoked, ada.ID)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	records := s.records("session.revoked")
	if len(records) != 1 || records[0].Subject != gone || records[0].Actor != ada.ID || records[0].Details["reason"] != "password" {
		t.Errorf("records: %+v", records)
	}
	if grants := s.records("grant.revoked"); len(grants) != 1 || grants[0].Details["client_id"] != client.ClientID || grants[0].Details["access_tokens"] != "1" {
		t.Errorf("grants: %+v", grants)
	}
	if err := s.endings().EndOthers(t.Context(), bob.ID, "", auth.EndedPassword, s.now()); err != nil {
		t.Fatal(err)
	}
	bobs.get("/account").want(t, 303)
	if err := s.endings().EndOthers(t.Context(), bob.ID, "", auth.EndedPassword, s.now()); err != nil || len(s.records("session.revoked")) != 2 {
		t.Errorf("ending what has ended: %v, %d records", err, len(s.records("session.revoked")))
	}
}

// TestRevokeAccessTokens ends the tokens, and not what renews them.
func TestRevokeAccessTokens(t *testing.T) {
	s := start(t)
	client := s.publicClient()
	ada, b := s.person("ada@example.com")
	got := b.tokens(client.ClientID)
	_, payload := claims(t, got.AccessToken)
	if err := s.endings().RevokeAccessTokens(t.Context(), ada.ID, s.now()); err != nil {
		t.Fatal(err)
	}
	if revoked := s.column(`SELECT kind || ' ' || id FROM revocations`); !slices.Equal(revoked, []string{"jti " + payload["jti"].(string)}) {
		t.Errorf("revoked: %v", revoked)
	}
	again := b.redeem(refreshForm(client.ClientID, got.RefreshToken), 200)
	if again.AccessToken == "" {
		t.Error("no token afterwards")
	}
	if records := s.records("token.revoked"); len(records) != 1 || records[0].Subject != ada.ID || records[0].Details["reason"] != "roles_changed" {
		t.Errorf("records: %+v", records)
	}
}

// TestEndUser: a suspended person's keys wait, a deleted one's are gone, and of
// one that is forgotten nothing is left but that it was.
func TestEndUser(t *testing.T) {
	s := start(t)
	client := s.publicClient()
	ada, b := s.person("ada@example.com")
	got := b.tokens(client.ClientID, "scope", "openid offline_access")
	k := s.key(user(ada.ID, "openid"), `{"name":"x","scopes":["openid"]}`)
	for range 2 { // a repeated event changes nothing
		if err := s.endings().EndUser(t.Context(), ada.ID, false, auth.EndedSuspended, s.now()); err != nil {
			t.Fatal(err)
		}
	}
	b.redeem(refreshForm(client.ClientID, got.RefreshToken), 400)
	if _, ok := s.works(k.Key); !ok {
		t.Error("the key of who may act again does not work")
	}
	if revoked := s.column(`SELECT id FROM revocations WHERE kind = 'key'`); !slices.Equal(revoked, []string{k.ID}) {
		t.Errorf("gateways keep the key: %v", revoked)
	}
	if records := s.records("session.revoked"); len(records) != 1 || records[0].Actor != "auth" || records[0].Details["reason"] != "suspended" {
		t.Errorf("records: %+v", records)
	}
	if err := s.endings().EndUser(t.Context(), ada.ID, false, auth.EndedDeleted, s.now()); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.works(k.Key); ok {
		t.Error("the key of a deleted person works")
	}
	if diff := cmp.Diff([]string{"key.created", "key.revoked"}, s.audited(k.ID)); diff != "" {
		t.Errorf("audit log of the key (-want +got):\n%s", diff)
	}
	s.browser().post("/login", url.Values{"login": {"ada@example.com"}, "password": {goodPassword}}).want(t, 303)
	for _, statement := range []string{
		`INSERT INTO known_devices VALUES ($1::uuid, 'x', now(), now())`,
		`INSERT INTO identities VALUES (gen_random_uuid(), $1::uuid, 'p', 'i', 's', 'ada@example.com', now(), now())`,
		`INSERT INTO pending_identities VALUES (gen_random_uuid(), $1::uuid, 'p', 'i', 's', 'ada@example.com', now(), now())`,
		`INSERT INTO social_flows VALUES ('x', 'x', 'link', 'p', $1::text, '', '', 'i', 's', 'ada@example.com', now(), now())`,
	} {
		if _, err := s.db.Pool.Exec(t.Context(), statement, ada.ID); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	if err := s.endings().EndUser(t.Context(), ada.ID, true, auth.EndedDeleted, s.now()); err != nil {
		t.Fatal(err)
	}
	for _, table := range s.column(`SELECT table_name FROM information_schema.columns WHERE table_schema = 'auth' AND column_name = 'user_id'`) {
		if table == "sessions" || table == "refresh_families" || table == "setup_links" || table == "authorization_codes" {
			continue // ids and times alone
		}
		if n := s.column(`SELECT count(*)::text FROM `+table+` WHERE user_id::text = $1`, ada.ID); !slices.Equal(n, []string{"0"}) {
			t.Errorf("%s has %v rows of who was forgotten", table, n)
		}
	}
	if left := s.column(`SELECT user_agent || address FROM sessions WHERE user_id = $1::uuid AND user_agent || address <> ''`, ada.ID); len(left) > 0 {
		t.Errorf("sessions tell whence the person came: %v", left)
	}
}

// TestNoRecordNoChange: what cannot be recorded does not happen.
func TestNoRecordNoChange(t *testing.T) {
	s := start(t)
	client := s.publicClient()
	ada, b := s.person("ada@example.com")
	got := b.tokens(client.ClientID)
	k := s.key(user(ada.ID, "openid"), `{"name":"x","scopes":["openid"]}`)
	before := s.column(`SELECT id::text FROM audit_log ORDER BY id`)
	told := s.column(`SELECT count(*)::text FROM outbox`)
	// PostgreSQL refuses U+0000, and so the record and all that belongs to it.
	ctx := telemetry.WithRequestID(t.Context(), "\x00")
	bad, err := audit.New(ctx, "auth", "x.y", "x", "y", s.now())
	if err != nil {
		t.Fatal(err)
	}
	keys, clients := postgres.NewAPIKeys(s.db), postgres.NewClients(s.db)
	for name, do := range map[string]func() error{
		"end session":   func() error { return s.endings().EndSession(ctx, ada.ID, sessionOf(t, got.AccessToken), s.now()) },
		"end others":    func() error { return s.endings().EndOthers(ctx, ada.ID, "", "password", s.now()) },
		"end user":      func() error { return s.endings().EndUser(ctx, ada.ID, true, "deleted", s.now()) },
		"revoke tokens": func() error { return s.endings().RevokeAccessTokens(ctx, ada.ID, s.now()) },
		"delete key":    func() error { return s.endings().DeleteAPIKey(ctx, k.ID, s.now()) },
		"delete client": func() error { return s.endings().DeleteClient(ctx, client.ClientID, s.now()) },
		"rotate key": func() error {
			_, err := s.endings().RotateAPIKey(ctx, auth.KeyRotation{ID: k.ID, Hash: []byte("x"), Now: s.now()})
			return err
		},
		"create key": func() error {
			return keys.CreateAPIKey(ctx, auth.APIKey{ID: "01890000-0000-7000-8000-000000000001", OwnerKind: "user", OwnerID: ada.ID, CreatedAt: s.now(), Hash: []byte("x")}, bad)
		},
		"rename key": func() error { return keys.RenameAPIKey(ctx, auth.APIKey{ID: k.ID, Name: "y", Version: 1}, bad) },
		"create client": func() error {
			return clients.CreateClient(ctx, auth.Client{ID: "x", Type: auth.ClientPublic, TokenEndpointAuthMethod: auth.AuthNone}, bad)
		},
		"update client": func() error {
			c, err := clients.Client(t.Context(), client.ClientID)
			if err != nil {
				t.Fatal(err)
			}
			c.Name = "other"
			return clients.UpdateClient(ctx, c, bad)
		},
		"narrow client": func() error {
			c, err := clients.Client(t.Context(), client.ClientID)
			if err != nil {
				t.Fatal(err)
			}
			c.Name, c.UpdatedAt = "other", s.now()
			return s.endings().NarrowClient(ctx, c, bad)
		},
		"rotate client secret": func() error {
			_, err := clients.RotateClientSecret(ctx, auth.SecretRotation{ClientID: client.ClientID, Now: s.now(), Secret: auth.ClientSecret{ID: "01890000-0000-7000-8000-000000000002", Hash: []byte("x")}}, bad)
			return err
		},
	} {
		if err := do(); err == nil {
			t.Errorf("%s: done without a record", name)
		}
	}
	if diff := cmp.Diff(before, s.column(`SELECT id::text FROM audit_log ORDER BY id`)); diff != "" {
		t.Errorf("records (-before +after):\n%s", diff)
	}
	if after := s.column(`SELECT count(*)::text FROM outbox`); !slices.Equal(told, after) {
		t.Errorf("%v events, before %v", after, told)
	}
	if _, ok := s.works(k.Key); !ok {
		t.Error("the key has ended")
	}
	b.redeem(refreshForm(client.ClientID, got.RefreshToken), 200)
	if names := s.column(`SELECT name FROM clients`); !slices.Equal(names, []string{"demo"}) {
		t.Errorf("clients: %v", names)
	}
}

// TestRolesOfTheDatabase: nobody who got hold of the service's role can mend the
// log.
func TestRolesOfTheDatabase(t *testing.T) {
	s := start(t)
	s.publicClient()
	for _, statement := range []string{
		"UPDATE audit_log SET action = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log", "DROP TABLE audit_log", "ALTER TABLE audit_log DISABLE TRIGGER ALL",
	} {
		if _, err := s.db.Pool.Exec(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "permission denied") && !strings.Contains(err.Error(), "must be owner") {
			t.Errorf("%s: %v", statement, err)
		}
	}
	if n := len(s.records("client.created")); n != 1 {
		t.Errorf("%d records", n)
	}
}

// TestDeletedClientTakesItsKeys with it, by whom it says.
func TestDeletedClientTakesItsKeys(t *testing.T) {
	s := start(t)
	m := s.register(`{"name":"m","type":"confidential","grant_types":["client_credentials"],"scopes":["users:read"]}`)
	owner := identity.Principal{Kind: identity.KindClient, Subject: m.ClientID, ClientID: m.ClientID, Scopes: []string{"users:read"}}
	k := s.key(owner, `{"name":"x","scopes":["users:read"]}`)
	s.call(operator(), "DELETE", "/v1/clients/"+m.ClientID, "").want(t, 204)
	want := []map[string]any{{"key_id": k.ID, "owner_kind": "client", "owner_id": m.ClientID, "reason": "owner"}}
	if diff := cmp.Diff(want, s.events(event.TypeKeyRevoked, m.ClientID)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	for _, action := range []string{"client.deleted", "key.revoked"} {
		if r := s.records(action); len(r) != 1 || r[0].Actor != "bootstrap" {
			t.Errorf("%s: %+v", action, r)
		}
	}
	if err := s.endings().DeleteClient(context.Background(), m.ClientID, s.now()); err == nil {
		t.Error("deleted twice")
	}
}
