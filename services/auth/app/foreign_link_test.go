package app_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/services/auth/postgres"
)

const strangersPassword = "the stranger's password"

// registration returns the browser's cookie of its registrations.
func (b *browser) registration() []string {
	b.t.Helper()
	for _, c := range b.client.Jar.Cookies(mustURL(b.t, b.server.URL)) {
		if c.Name == "gatehouse_registration" {
			return strings.Split(c.Value, ".")
		}
	}
	return nil
}

// TestForeignLinkNeedsButton: in the browser of a registration the link of that
// registration is enough, and no link that somebody else's caused.
func TestForeignLinkNeedsButton(t *testing.T) {
	s := start(t)
	victim := s.browser()
	form := url.Values{"email": {"victim@example.com"}, "password": {goodPassword}}
	victim.post("/register", form).want(t, http.StatusOK)
	account := s.users.byLogin("victim@example.com")
	own := s.challengeOf(account.ID)
	s.advance(2 * time.Minute)
	s.browser().post("/register", with(form, "password", strangersPassword)).want(t, http.StatusOK)
	foreign := s.challengeOf(account.ID)
	if own.Get("challenge") == foreign.Get("challenge") {
		t.Fatal("the stranger caused no mail")
	}
	page := victim.get("/verify?"+foreign.Encode()).want(t, http.StatusOK)
	if s.users.byLogin("victim@example.com").EmailVerified || !strings.Contains(page.body, "<form") || !strings.Contains(page.body, "not the link of your registration") {
		t.Fatalf("a stranger's link: %s", page.body)
	}
	victim.do(http.MethodHead, "/verify?"+own.Encode(), nil, nil)
	if s.users.byLogin("victim@example.com").EmailVerified {
		t.Fatal("HEAD has met a challenge")
	}
	// Registering again where no mail goes out does not forget the first.
	victim.post("/register", form).want(t, http.StatusOK)
	victim.get("/verify?"+own.Encode()).want(t, http.StatusOK)
	if !s.users.byLogin("victim@example.com").EmailVerified {
		t.Fatal("the own link needs more than opening it")
	}
	victim.post("/login", url.Values{"login": {"victim@example.com"}, "password": {strangersPassword}}).want(t, http.StatusUnauthorized)
	victim.post("/login", url.Values{"login": {"victim@example.com"}, "password": {goodPassword}}).want(t, http.StatusSeeOther)
}

// TestForeignIdentityNeedsButton: a stranger who signs in through a provider
// with the victim's address is not let in by the victim's opening a mail.
func TestForeignIdentityNeedsButton(t *testing.T) {
	s := startSocial(t)
	victim := s.browser()
	victim.post("/register", url.Values{"email": {"victim@example.com"}, "password": {goodPassword}}).want(t, http.StatusOK)
	account := s.users.byLogin("victim@example.com")
	s.advance(2 * time.Minute)
	s.through(s.browser(), "forum", person("eve", "victim@example.com", true)).want(t, http.StatusOK)
	link := s.challengeOf(account.ID)
	page := victim.get("/verify?"+link.Encode()).want(t, http.StatusOK)
	if s.users.byLogin("victim@example.com").EmailVerified || len(s.links(account.ID)) != 0 || !strings.Contains(page.body, "Confirm address and link A forum") {
		t.Fatalf("links %v, page %s", s.links(account.ID), page.body)
	}
	if _, err := postgres.NewCredentials(s.db).Credential(t.Context(), account.ID); err != nil {
		t.Errorf("the victim's password: %v", err)
	}
	// Nor does a cookie help that names the challenge.
	u := mustURL(t, s.server.URL)
	victim.client.Jar.SetCookies(u, []*http.Cookie{{Name: "gatehouse_registration", Value: link.Get("challenge"), Path: "/"}})
	victim.get("/verify?"+link.Encode()).want(t, http.StatusOK)
	if len(s.links(account.ID)) != 0 {
		t.Fatal("opening the link has linked a provider")
	}
	victim.post("/verify", link).want(t, http.StatusOK)
	if !slices.Equal(s.links(account.ID), []string{"forum eve"}) {
		t.Errorf("links %v", s.links(account.ID))
	}
}

// TestRegistrationCookieTellsNothing: whether an address is new, waits for its
// proof, is in use, or got too many mails, the cookie looks the same.
func TestRegistrationCookieTellsNothing(t *testing.T) {
	s := start(t)
	s.person("active@example.com")
	s.browser().post("/register", url.Values{"email": {"waiting@example.com"}, "password": {goodPassword}}).want(t, http.StatusOK)
	for _, email := range []string{"new@example.com", "waiting@example.com", "active@example.com"} {
		b := s.browser()
		for round := range 6 {
			got := b.post("/register", url.Values{"email": {email}, "password": {goodPassword}}).want(t, http.StatusOK)
			ids := b.registration()
			if len(ids) != min(round+1, 4) || !slices.IsSorted(ids) {
				t.Errorf("%s, round %d: cookie %v", email, round, ids)
			}
			for _, id := range ids {
				if len(id) != 36 || id[14] != '7' || id == s.users.byLogin(email).ID {
					t.Errorf("%s: id %q", email, id)
				}
			}
			if set := got.Cookies(); len(set) != 1 || !set[0].HttpOnly || set[0].MaxAge != 86400 {
				t.Errorf("%s: cookies %v", email, set)
			}
		}
	}
	if a := s.users.byLogin("waiting@example.com"); a.Status != userapi.StatusPending {
		t.Errorf("account %+v", a)
	}
}
