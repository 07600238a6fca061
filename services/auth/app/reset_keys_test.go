package app_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"gatehouse.example/internal/event"
	"gatehouse.example/internal/identity"
	"gatehouse.example/services/auth"
)

// TestResetEndsKeys: who recovers an account does not share it with the keys
// that somebody else made in it. A change of the password ends no key.
func TestResetEndsKeys(t *testing.T) {
	s := start(t)
	ada, b := s.person("ada@example.com", "admin")
	bob, _ := s.person("bob@example.com", "admin")
	as := func(id string) identity.Principal {
		return identity.Principal{Kind: identity.KindUser, Subject: id, Roles: []string{"admin"}, Permissions: []string{"users:read"}, Scopes: []string{"users:read"}}
	}
	const body = `{"name":"ci","scopes":["users:read"]}`
	first, second, others := s.key(as(ada.ID), body), s.key(as(ada.ID), body), s.key(as(bob.ID), body)
	works := func(k apiKey) bool {
		_, err := s.authapi().VerifyAPIKey(t.Context(), k.Key)
		return err == nil
	}
	b.post("/account/password", url.Values{"current": {goodPassword}, "password": {newPassword}}).want(t, http.StatusSeeOther)
	if !works(first) || !works(second) {
		t.Fatal("a change of the password has ended keys")
	}
	s.browser().askReset("ada@example.com").want(t, http.StatusOK)
	done := s.browser().post("/reset", with(s.linkOf(ada.ID, "/reset"), "password", "a third password")).want(t, http.StatusOK)
	if works(first) || works(second) || !works(others) {
		t.Errorf("keys work: %t, %t, somebody else's %t", works(first), works(second), works(others))
	}
	if !strings.Contains(done.body, "API keys have ended") || !strings.Contains(done.body, `href="/login?return_to=%2Faccount">Sign in and review your sign-in methods`) {
		t.Errorf("page %s", done.body)
	}
	told := s.events(event.TypeKeyRevoked, ada.ID)
	if len(told) != 2 || told[0]["reason"] != auth.KeyEndedOwner || told[1]["reason"] != auth.KeyEndedOwner {
		t.Errorf("events %v", told)
	}
	records := s.records("key.revoked")
	if len(records) != 2 || records[0].Actor != ada.ID || records[0].Details["reason"] != auth.EndedPassword {
		t.Errorf("records %+v", records)
	}
}
