package app_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/oidctest"
	"gatehouse.example/services/auth/app"
	"gatehouse.example/services/auth/postgres"
)

// TestSocialNewAccount: an address that nobody has makes an account; at once
// where the provider's word is enough.
func TestSocialNewAccount(t *testing.T) {
	s := startSocial(t)
	b := s.browser()
	location := s.through(b, "corp", person("c1", "grace@example.com", true)).want(t, http.StatusSeeOther).Header.Get("Location")
	account := s.users.byLogin("grace@example.com")
	if location != "/account" || account.Status != userapi.StatusActive || !account.EmailVerified || account.Locale != "en-US" {
		t.Fatalf("to %q, account %+v", location, account)
	}
	if s.signedIn(b) != account.ID || !slices.Equal(s.links(account.ID), []string{"corp c1"}) {
		t.Fatalf("signed in %q, links %v", s.signedIn(b), s.links(account.ID))
	}
	s.wantLinked(account.ID)

	// The same person again, in another browser, with another address by now.
	again := s.browser()
	s.through(again, "corp", person("c1", "grace@elsewhere.example", true)).want(t, http.StatusSeeOther)
	if s.signedIn(again) != account.ID || s.users.count() != 1 {
		t.Fatal("the linked identity did not decide")
	}
	s.wantLinked(account.ID)
}

// TestSocialUntrusted: a provider that is not trusted, or does not say verified,
// gives no more than a registration by form: the mail decides.
func TestSocialUntrusted(t *testing.T) {
	for name, test := range map[string]struct {
		provider string
		who      map[string]any
	}{
		"untrusted provider":    {"forum", person("f1", "grace@example.com", true)},
		"unverified address":    {"corp", person("c1", "grace@example.com", false)},
		"verification not said": {"corp", map[string]any{"sub": "c1", "email": "grace@example.com"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := startSocial(t)
			b := s.browser()
			told := s.through(b, test.provider, test.who).want(t, http.StatusOK)
			account := s.users.byLogin("grace@example.com")
			if titleOf(told.body) != "Check your mail" || account.Status != userapi.StatusPending || s.signedIn(b) != "" || len(s.links(account.ID)) != 0 {
				t.Fatalf("%s; account %+v", told.body, account)
			}
			// The link of the mail proves the address and links, once its button
			// says so: not even in this browser is opening it enough.
			asked := b.get("/verify?"+s.challengeOf(account.ID).Encode()).want(t, http.StatusOK)
			display := map[string]string{"corp": "Corp", "forum": "A forum"}[test.provider]
			if len(s.links(account.ID)) != 0 || !strings.Contains(asked.body, "and link it to "+display+".") {
				t.Fatalf("opened: links %v, page %s", s.links(account.ID), asked.body)
			}
			if m := s.mails(account.ID); m[len(m)-1].ProviderName != display {
				t.Errorf("the mail names %q", m[len(m)-1].ProviderName)
			}
			b.post("/verify", s.challengeOf(account.ID)).want(t, http.StatusOK)
			if len(s.links(account.ID)) != 1 {
				t.Fatal("the proven identity is not linked")
			}
			s.wantLinked(account.ID)
			s.through(b, test.provider, test.who).want(t, http.StatusSeeOther)
			if s.signedIn(b) != account.ID {
				t.Error("not signed in")
			}
		})
	}
}

// TestSocialKnownAddress walks the rules for an address that has an account with
// a password already.
func TestSocialKnownAddress(t *testing.T) {
	tests := []struct {
		name     string
		change   func(*userapi.Account)
		provider string
		verified bool
		// status and title of the answer; linked says that it signed in.
		status int
		title  string
		linked bool
	}{
		{"trusted, verified, account proven", nil, "corp", true, http.StatusSeeOther, "", true},
		{"trusted, not verified", nil, "corp", false, http.StatusForbidden, "You have an account already", false},
		{"not trusted", nil, "forum", true, http.StatusForbidden, "You have an account already", false},
		{"account not proven", func(a *userapi.Account) { a.EmailVerified = false }, "corp", true, http.StatusForbidden, "You have an account already", false},
		{"suspended", func(a *userapi.Account) { a.Status = userapi.StatusSuspended }, "corp", true, http.StatusForbidden, "Sign in", false},
		{"deleted", func(a *userapi.Account) { a.Status = userapi.StatusDeleted }, "corp", true, http.StatusForbidden, "Sign in", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := startSocial(t)
			account, _ := s.person("ada@example.com")
			if test.change != nil {
				s.users.change(account.ID, test.change)
			}
			b := s.browser()
			got := s.through(b, test.provider, person("x1", "Ada@example.com", test.verified)).want(t, test.status)
			if titleOf(got.body) != test.title {
				t.Errorf("page %q, want %q: %s", titleOf(got.body), test.title, got.body)
			}
			var failed int
			if err := s.db.Pool.QueryRow(t.Context(), `SELECT count(*) FROM audit_log WHERE action = 'session.sign_in_failed' AND subject_id = $1 AND outcome = 'failure'`, account.ID).Scan(&failed); err != nil || (failed == 1) != (test.title == "Sign in") {
				t.Errorf("%d records of a failed sign-in, %v", failed, err)
			}
			if linked := len(s.links(account.ID)) == 1; linked != test.linked || (s.signedIn(b) == account.ID) != test.linked {
				t.Errorf("linked %t, signed in as %q", linked, s.signedIn(b))
			}
			if test.title == "Sign in" && !strings.Contains(got.body, "This account cannot sign in. Ask your administrator.") {
				t.Errorf("wording: %s", got.body)
			}
		})
	}
}

// TestSocialLinkedButShut: a linked identity opens no account that may not act.
func TestSocialLinkedButShut(t *testing.T) {
	s := startSocial(t)
	s.through(s.browser(), "corp", person("c1", "grace@example.com", true)).want(t, http.StatusSeeOther)
	account := s.users.byLogin("grace@example.com")
	for _, status := range []string{userapi.StatusSuspended, userapi.StatusDeleted} {
		s.users.change(account.ID, func(a *userapi.Account) { a.Status = status })
		b := s.browser()
		s.through(b, "corp", person("c1", "grace@example.com", true)).want(t, http.StatusForbidden)
		if s.signedIn(b) != "" {
			t.Errorf("%s and signed in", status)
		}
	}
}

// prove follows the page that asks to sign in to the account first.
func (b *browser) prove(t *testing.T, asked answer, login string) answer {
	t.Helper()
	_, rest, _ := strings.Cut(asked.body, `href="/login?`)
	raw, _, _ := strings.Cut(rest, `"`)
	query, err := url.ParseQuery(strings.ReplaceAll(raw, "&amp;", "&"))
	if err != nil || query.Get("return_to") == "" {
		t.Fatalf("no way on: %s", asked.body)
	}
	in := b.post("/login", url.Values{"login": {login}, "password": {goodPassword}, "return_to": {query.Get("return_to")}}).want(t, http.StatusSeeOther)
	return b.get(in.Header.Get("Location"))
}

// TestSocialProof: the password of the existing account links the identity.
func TestSocialProof(t *testing.T) {
	s := startSocial(t)
	account, _ := s.person("ada@example.com")
	b := s.browser()
	asked := s.through(b, "forum", person("f1", "ada@example.com", true)).want(t, http.StatusForbidden)
	done := b.prove(t, asked, "ada@example.com").want(t, http.StatusSeeOther)
	if done.Header.Get("Location") != "/account" || !slices.Equal(s.links(account.ID), []string{"forum f1"}) {
		t.Fatalf("to %q, links %v", done.Header.Get("Location"), s.links(account.ID))
	}
	s.wantLinked(account.ID)
	fresh := s.browser()
	s.through(fresh, "forum", person("f1", "ada@example.com", true)).want(t, http.StatusSeeOther)
	if s.signedIn(fresh) != account.ID {
		t.Error("the linked identity does not sign in")
	}
}

// TestSocialProofIsThatAccounts: neither a session of before, nor somebody
// else's sign-in, nor another browser proves the account.
func TestSocialProofIsThatAccounts(t *testing.T) {
	s := startSocial(t)
	account, b := s.person("ada@example.com")
	other, _ := s.person("eve@example.com")
	asked := s.through(b, "forum", person("f1", "ada@example.com", true)).want(t, http.StatusForbidden)
	_, rest, _ := strings.Cut(asked.body, "flow%3D")
	flow, _, _ := strings.Cut(rest, "&")
	flow, _, _ = strings.Cut(flow, `"`)
	link := "/login/link?flow=" + flow
	b.get(link).want(t, http.StatusForbidden) // signed in as Ada, but from before

	stranger := s.browser()
	stranger.post("/login", url.Values{"login": {"ada@example.com"}, "password": {goodPassword}}).want(t, http.StatusSeeOther)
	stranger.get(link).want(t, http.StatusBadRequest)

	b.prove(t, asked, "eve@example.com").want(t, http.StatusForbidden)
	if len(s.links(account.ID))+len(s.links(other.ID)) != 0 {
		t.Fatal("something was linked")
	}
	s.advance(2 * time.Hour)
	b.post("/login", url.Values{"login": {"ada@example.com"}, "password": {goodPassword}}).want(t, http.StatusSeeOther)
	b.get(link).want(t, http.StatusBadRequest)
	if len(s.links(account.ID)) != 0 {
		t.Fatal("a flow that was over linked")
	}
}

// TestSocialPreHijack: who registers somebody's address and waits must not share
// the account that its owner then opens through a provider.
func TestSocialPreHijack(t *testing.T) {
	s := startSocial(t)
	attacker := s.browser()
	attacker.post("/register", url.Values{"email": {"victim@example.com"}, "password": {"the attacker's own"}}).want(t, http.StatusOK)
	account := s.users.byLogin("victim@example.com")

	victim := s.browser()
	who := person("c1", "victim@example.com", true)
	s.through(victim, "corp", who).want(t, http.StatusOK)
	if s.signedIn(victim) != "" || len(s.links(account.ID)) != 0 {
		t.Fatal("an account that nobody has proven was opened")
	}
	// The attacker's own mail is younger than a minute: no second one went out,
	// and the page says to leave it alone.
	s.advance(2 * time.Minute)
	s.through(victim, "corp", who).want(t, http.StatusOK)
	victim.post("/verify", s.challengeOf(account.ID)).want(t, http.StatusOK)
	s.through(victim, "corp", who).want(t, http.StatusSeeOther)
	if s.signedIn(victim) != account.ID {
		t.Fatal("the owner did not get in")
	}
	attacker.post("/login", url.Values{"login": {"victim@example.com"}, "password": {"the attacker's own"}}).want(t, http.StatusUnauthorized)
}

// TestSocialPreHijackByProvider is the same the other way round: a stranger's
// identity that claims the address does not survive its owner's registration.
func TestSocialPreHijackByProvider(t *testing.T) {
	s := startSocial(t)
	attacker := s.browser()
	s.through(attacker, "forum", person("eve", "victim@example.com", true)).want(t, http.StatusOK)
	account := s.users.byLogin("victim@example.com")
	s.advance(2 * time.Minute)
	victim := s.browser()
	victim.post("/register", url.Values{"email": {"victim@example.com"}, "password": {goodPassword}}).want(t, http.StatusOK)
	victim.get("/verify?"+s.challengeOf(account.ID).Encode()).want(t, http.StatusOK)
	victim.post("/login", url.Values{"login": {"victim@example.com"}, "password": {goodPassword}}).want(t, http.StatusSeeOther)
	s.through(attacker, "forum", person("eve", "victim@example.com", true)).want(t, http.StatusForbidden)
	if len(s.links(account.ID)) != 0 || s.signedIn(attacker) != "" {
		t.Fatal("the attacker's identity opens the account")
	}
}

// TestSocialRegistrationClosed: providers open no side door.
func TestSocialRegistrationClosed(t *testing.T) {
	s := startSocial(t, func(o *app.Options) { o.Config.AllowRegistration = false })
	got := s.through(s.browser(), "corp", person("c1", "grace@example.com", true)).want(t, http.StatusForbidden)
	if titleOf(got.body) != "Registration is closed" || s.users.count() != 0 {
		t.Errorf("%s, %d accounts", titleOf(got.body), s.users.count())
	}
}

// TestSocialWithoutAddress: an identity without an address can be linked, and
// makes no account.
func TestSocialWithoutAddress(t *testing.T) {
	s := startSocial(t)
	for _, who := range []map[string]any{{"sub": "c1"}, {"sub": "c1", "email": "no address", "email_verified": true}, {"sub": "c1", "email": "a@b\u0000c.example"}} {
		s.through(s.browser(), "corp", who).want(t, http.StatusForbidden)
	}
	if s.users.count() != 0 {
		t.Errorf("%d accounts", s.users.count())
	}
}

// TestSocialAtOnce: the same new person in several tabs at once is one account.
func TestSocialAtOnce(t *testing.T) {
	s := startSocial(t)
	s.trusted.Set(oidctest.Behaviour{Person: person("c1", "grace@example.com", true)})
	const tabs = 8
	results := make(chan answer, tabs)
	for range tabs {
		b := s.browser()
		away := b.away("corp", "")
		callback, parameters := s.trusted.Authorize(t, away)
		go func() { results <- b.get(strings.TrimPrefix(callback, issuer) + "?" + parameters.Encode()) }()
	}
	for range tabs {
		(<-results).want(t, http.StatusSeeOther)
	}
	account := s.users.byLogin("grace@example.com")
	if s.users.count() != 1 || len(s.links(account.ID)) != 1 {
		t.Errorf("%d accounts, links %v", s.users.count(), s.links(account.ID))
	}
	s.wantLinked(account.ID)
}

// TestSocialProvenTooLate: the link of a mail that a stranger's identity caused
// links nothing once the account's owner has set a password.
func TestSocialProvenTooLate(t *testing.T) {
	s := startSocial(t)
	s.through(s.browser(), "forum", person("eve", "victim@example.com", true)).want(t, http.StatusOK)
	account := s.users.byLogin("victim@example.com")
	s.advance(time.Minute)
	if _, err := s.db.Pool.Exec(t.Context(), `INSERT INTO credentials (user_id, password_hash, updated_at) VALUES ($1, 'the owner''s', $2)`, account.ID, s.now()); err != nil {
		t.Fatal(err)
	}
	s.browser().post("/verify", s.challengeOf(account.ID)).want(t, http.StatusOK)
	if _, err := postgres.NewCredentials(s.db).Credential(t.Context(), account.ID); err != nil || len(s.links(account.ID)) != 0 {
		t.Errorf("links %v, the owner's password: %v", s.links(account.ID), err)
	}
}
