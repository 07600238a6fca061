package app_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/bus"
	"gatehouse.example/internal/event"
	"gatehouse.example/internal/identity"
	"gatehouse.example/services/auth/postgres"
)

// apply has the service hear of what the user service says, once more for each
// repetition. Between transactions nothing is lost or done twice.
func (s *system) apply(e event.Event) {
	s.t.Helper()
	store := postgres.NewUserEvents(s.db, postgres.NewEndings(s.db, 5*time.Minute))
	if err := store.Apply(s.t.Context(), "auth-users", e, s.now()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *system) userEvent(typ, id string, data any) event.Event {
	s.t.Helper()
	e, err := event.New(event.SourceUser, typ, id, data, s.now())
	if err != nil {
		s.t.Fatal(err)
	}
	return e
}

// TestSuspensionAndBack ends what the person holds and keeps the password; an
// event that comes again ends nothing that began since.
func TestSuspensionAndBack(t *testing.T) {
	for name, e := range map[string]func(s *system, id string) event.Event{
		"suspended": func(s *system, id string) event.Event {
			return s.userEvent(event.TypeUserSuspended, id, event.UserSuspended{UserID: id})
		},
		"deleted": func(s *system, id string) event.Event {
			return s.userEvent(event.TypeUserDeleted, id, event.UserDeleted{UserID: id})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			client := s.publicClient()
			ada, b := s.person("ada@example.com")
			_, bobs := s.person("bob@example.com")
			held := b.tokens(client.ClientID, "scope", "openid offline_access")
			happened := e(s, ada.ID)
			s.apply(happened)
			b.get("/account").want(t, http.StatusSeeOther)
			b.redeem(refreshForm(client.ClientID, held.RefreshToken), http.StatusBadRequest)
			b.do(http.MethodGet, "/oauth2/userinfo", nil, http.Header{"Authorization": {"Bearer " + held.AccessToken}}).want(t, http.StatusUnauthorized)
			bobs.get("/account").want(t, http.StatusOK)
			if got := s.records("session.revoked"); len(got) != 1 || got[0].Actor != "user" || got[0].Details["reason"] != name {
				t.Errorf("records %+v", got)
			}
			again := s.signIn("ada@example.com", goodPassword) // activated or restored by then
			s.apply(happened)
			again.get("/account").want(t, http.StatusOK)
		})
	}
}

// TestErased leaves nothing that says anything about the person.
func TestErased(t *testing.T) {
	s := start(t)
	ada, b := s.person("ada@example.com", "admin")
	bob, bobs := s.person("bob@example.com", "admin")
	for _, id := range []string{ada.ID, bob.ID} {
		me := identity.Principal{Kind: identity.KindUser, Subject: id, Scopes: []string{"users:read"}, Roles: []string{"admin"}, Permissions: []string{"users:read"}}
		s.call(me, http.MethodPost, "/v1/api-keys", `{"name":"mine","scopes":["users:read"]}`).want(t, http.StatusCreated)
	}
	s.apply(s.userEvent(event.TypeUserErased, ada.ID, event.UserErased{UserID: ada.ID}))
	b.get("/account").want(t, http.StatusSeeOther)
	bobs.get("/account").want(t, http.StatusOK)
	for _, table := range []string{"credentials", "known_devices", "challenges", "identities"} {
		var left int
		if err := s.db.Pool.QueryRow(t.Context(), `SELECT count(*) FROM `+table+` WHERE user_id = $1`, ada.ID).Scan(&left); err != nil || left != 0 {
			t.Errorf("%d rows left in %s (%v)", left, table, err)
		}
	}
	var keys, others, told int
	if err := s.db.Pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM api_keys WHERE owner_id = $1), (SELECT count(*) FROM api_keys WHERE owner_id = $2),
		(SELECT count(*) FROM sessions WHERE user_id = $1::text::uuid AND (user_agent <> '' OR address <> ''))`, ada.ID, bob.ID).Scan(&keys, &others, &told); err != nil || keys != 0 || others != 1 || told != 0 {
		t.Errorf("%d keys of the person, %d of another, %d sessions that tell (%v)", keys, others, told, err)
	}
}

// TestRolesChanged ends access tokens that say too much, and no more than that.
func TestRolesChanged(t *testing.T) {
	s := start(t)
	client := s.publicClient()
	ada, b := s.person("ada@example.com", "admin", "user")
	_, bobs := s.person("bob@example.com", "admin")
	held, bobHeld := b.tokens(client.ClientID), bobs.tokens(client.ClientID)
	if _, payload := claims(t, held.AccessToken); payload["permissions"] == nil {
		t.Errorf("token without permissions: %v", payload)
	}
	userinfo := func(token string) int {
		return b.do(http.MethodGet, "/oauth2/userinfo", nil, http.Header{"Authorization": {"Bearer " + token}}).StatusCode
	}
	s.apply(s.userEvent(event.TypeUserRolesChanged, ada.ID, event.UserRolesChanged{UserID: ada.ID, Added: []string{"user"}, Removed: []string{}, Roles: []string{"admin", "user"}}))
	if got := userinfo(held.AccessToken); got != http.StatusOK {
		t.Errorf("status %d after one more role", got)
	}
	s.users.change(ada.ID, func(a *userapi.Account) { a.Roles = []string{"user"} })
	s.apply(s.userEvent(event.TypeUserRolesChanged, ada.ID, event.UserRolesChanged{UserID: ada.ID, Added: []string{}, Removed: []string{"admin"}, Roles: []string{"user"}}))
	if mine, others := userinfo(held.AccessToken), userinfo(bobHeld.AccessToken); mine != http.StatusUnauthorized || others != http.StatusOK {
		t.Errorf("status %d for the person, %d for another", mine, others)
	}
	next := b.redeem(refreshForm(client.ClientID, held.RefreshToken), http.StatusOK)
	_, payload := claims(t, next.AccessToken)
	if roles := payload["roles"].([]any); len(roles) != 1 || roles[0] != "user" || payload["permissions"] != nil {
		t.Errorf("token after the change: %v", payload)
	}
	if got := userinfo(next.AccessToken); got != http.StatusOK {
		t.Errorf("status %d for the next token", got)
	}
	b.get("/account").want(t, http.StatusOK)
}

// TestUserEventsByTheBus has them come through the broker, in their order.
func TestUserEventsByTheBus(t *testing.T) {
	broker := connect(t)
	s := start(t, broker)
	revocations, err := bus.FollowRevocations(t.Context(), broker)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	wait.Go(func() {
		if err := s.app.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	defer wait.Wait()
	defer cancel()
	client := s.publicClient()
	ada, b := s.person("ada@example.com", "admin")
	held := b.tokens(client.ClientID)
	_, payload := claims(t, held.AccessToken)
	for _, e := range []event.Event{
		s.userEvent(event.TypeUserSuspended, "nobody", event.UserSuspended{UserID: "nobody"}), // holds nobody up
		s.userEvent(event.TypeUserSuspended, uuid.NewString(), event.UserSuspended{}),
		s.userEvent(event.TypeUserRolesChanged, ada.ID, event.UserRolesChanged{UserID: ada.ID, Removed: []string{"admin"}}),
	} {
		if err := broker.Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the jti on the revocation list", func() bool { return revocations.Revoked("jti", payload["jti"].(string)) })
	if revocations.Revoked("session", payload["sid"].(string)) {
		t.Error("a lost role ends the session")
	}
	for _, e := range []event.Event{
		s.userEvent(event.TypeUserDeleted, ada.ID, event.UserDeleted{UserID: ada.ID}),
		s.userEvent(event.TypeUserErased, ada.ID, event.UserErased{UserID: ada.ID}),
	} {
		if err := broker.Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the session on the revocation list", func() bool { return revocations.Revoked("session", payload["sid"].(string)) })
	eventually(t, "the password to be forgotten", func() bool {
		var n int
		err := s.db.Pool.QueryRow(t.Context(), `SELECT count(*) FROM credentials`).Scan(&n)
		return err == nil && n == 0
	})
}
