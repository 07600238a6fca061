package app_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/event"
)

// TestChangePassword asks for the old one and ends the other sessions.
func TestChangePassword(t *testing.T) {
	s := start(t)
	client := s.publicClient()
	ada, b := s.person("ada@example.com")
	other := s.signIn("ada@example.com", goodPassword)
	held, others := b.tokens(client.ClientID), other.tokens(client.ClientID, "scope", "openid offline_access")
	s.browser().get("/account/password").want(t, http.StatusSeeOther)
	b.get("/account/password").want(t, http.StatusOK)
	change := func(current, plain string, header ...string) answer {
		return b.post("/account/password", url.Values{"current": {current}, "password": {plain}}, header...)
	}
	for name, test := range map[string]struct {
		current, plain, field string
		status                int
	}{
		"wrong":     {"not the password", newPassword, "current", http.StatusForbidden},
		"none":      {"", newPassword, "current", http.StatusUnprocessableEntity},
		"short":     {goodPassword, "short", "password", http.StatusUnprocessableEntity},
		"the same":  {goodPassword, goodPassword, "password", http.StatusUnprocessableEntity},
		"the email": {goodPassword, "ada@example.com", "password", http.StatusUnprocessableEntity},
	} {
		got := change(test.current, test.plain)
		if got.StatusCode != test.status || !strings.Contains(got.body, `id="`+test.field+`-error"`) || strings.Contains(got.body, test.plain+`"`) && name != "the email" {
			t.Errorf("%s: status %d: %s", name, got.StatusCode, got.body)
		}
	}
	change(goodPassword, newPassword, "Sec-Fetch-Site", "cross-site").want(t, http.StatusForbidden)
	s.signIn("ada@example.com", goodPassword)

	done := change(goodPassword, newPassword, "X-Forwarded-For", "192.0.2.8").want(t, http.StatusSeeOther)
	if page := b.get(done.Header.Get("Location")).want(t, http.StatusOK); !strings.Contains(page.body, `role="status"`) {
		t.Errorf("page %s", page.body)
	}
	b.redeem(refreshForm(client.ClientID, held.RefreshToken), http.StatusOK) // of the session that goes on
	other.get("/account").want(t, http.StatusSeeOther)
	other.redeem(refreshForm(client.ClientID, others.RefreshToken), http.StatusBadRequest)
	changed := s.events(event.TypePasswordChanged, ada.ID)
	if len(changed) != 1 || changed[0]["reason"] != "change" || changed[0]["address"] != "192.0.2.8" {
		t.Errorf("events %v", changed)
	}
	if got := s.records("password.changed"); len(got) != 1 || got[0].Actor != ada.ID || got[0].Subject != ada.ID {
		t.Errorf("records %+v", got)
	}
	s.signIn("ada@example.com", newPassword)
	if got := s.records("password.check_failed"); len(got) != 1 || got[0].Subject != ada.ID || got[0].Actor != ada.ID || got[0].Outcome != "failure" {
		t.Errorf("records of the wrong one: %+v", got)
	}
	for i := range 12 { // who found an open browser cannot guess on
		if got := change("guess", "a third password"); i == 11 && got.StatusCode != http.StatusTooManyRequests {
			t.Errorf("status %d after 12 guesses", got.StatusCode)
		}
	}
	s.advance(2 * time.Minute)
	t.Run("at once", func(t *testing.T) {
		statuses := map[int]int{}
		results := make(chan int, 5)
		simultaneously(5, func(int) { results <- change(newPassword, "the next password").StatusCode })
		for range 5 {
			statuses[<-results]++
		}
		if statuses[http.StatusSeeOther] != 1 || statuses[http.StatusInternalServerError] != 0 {
			t.Errorf("statuses %v", statuses)
		}
	})
}

// TestChangePasswordWithoutOne leads to the reset.
func TestChangePasswordWithoutOne(t *testing.T) {
	s := start(t)
	ada, b := s.person("ada@example.com")
	if _, err := s.db.Pool.Exec(t.Context(), `DELETE FROM credentials WHERE user_id = $1`, ada.ID); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/account/password", "/account/email"} {
		if page := b.get(path).want(t, http.StatusOK); !strings.Contains(page.body, `href="/reset"`) || strings.Contains(page.body, "<form") {
			t.Errorf("%s: %s", path, page.body)
		}
	}
	b.post("/account/password", url.Values{"current": {"x"}, "password": {newPassword}}).want(t, http.StatusConflict)
	b.post("/account/email", url.Values{"email": {"new@example.com"}, "password": {"x"}}).want(t, http.StatusConflict)
}

// TestEndedAccountHasNoPages signs a person out whose account may not act.
func TestEndedAccountHasNoPages(t *testing.T) {
	s := start(t)
	ada, b := s.person("ada@example.com")
	s.users.change(ada.ID, func(a *userapi.Account) { a.Status = userapi.StatusSuspended })
	for _, path := range []string{"/account", "/account/password", "/account/email", "/account/sessions"} {
		b.get(path)
	}
	b.get("/account").want(t, http.StatusSeeOther) // the cookie is gone
	s.users.change(ada.ID, func(a *userapi.Account) { a.Status = userapi.StatusActive })
	b.post("/account/password", url.Values{"current": {goodPassword}, "password": {newPassword}}).want(t, http.StatusSeeOther)
	s.signIn("ada@example.com", goodPassword)
}

// TestChangeEmail proves the new address before anything changes.
func TestChangeEmail(t *testing.T) {
	s := start(t)
	ada, b := s.person("ada@example.com")
	ask := func(email, plain string) answer {
		return b.post("/account/email", url.Values{"email": {email}, "password": {plain}}, "X-Forwarded-For", "192.0.2.8")
	}
	b.get("/account/email").want(t, http.StatusOK)
	ask("new@example.com", "not the password").want(t, http.StatusForbidden)
	for _, email := range []string{"", "x", "ada@example.com", "Ada <new@example.com>"} {
		ask(email, goodPassword).want(t, http.StatusUnprocessableEntity)
	}
	ask("new@example.com", "").want(t, http.StatusUnprocessableEntity)
	if n := len(s.events(event.TypeEmailChangeRequested, ada.ID)); n != 0 {
		t.Errorf("%d changes asked for", n)
	}

	s.browser().askReset("ada@example.com").want(t, http.StatusOK)
	oldMailbox := s.linkOf(ada.ID, "/reset")
	ask("new@example.com", goodPassword).want(t, http.StatusOK)
	link := s.linkOf(ada.ID, "/verify")
	mails := s.mails(ada.ID)
	if last := mails[len(mails)-1]; last.Purpose != event.PurposeChangeEmail || last.Email != "new@example.com" {
		t.Errorf("mail %+v", last)
	}
	requested := s.events(event.TypeEmailChangeRequested, ada.ID)
	if len(requested) != 1 || requested[0]["old_email"] != "ada@example.com" || requested[0]["email"] != "new@example.com" || requested[0]["address"] != "192.0.2.8" {
		t.Errorf("events %v", requested)
	}
	if got := s.records("email.change_requested"); len(got) != 1 || got[0].Actor != ada.ID || len(got[0].Details) != 1 || got[0].Details["session_id"] == "" {
		t.Errorf("records %+v", got)
	}
	// In the browser in which somebody registered, too, following it is not enough.
	b.get("/verify?"+link.Encode()).want(t, http.StatusOK)
	if s.users.byLogin("ada@example.com").ID != ada.ID {
		t.Fatal("following the link changed the address")
	}
	b.post("/reset", with(link, "password", newPassword)).want(t, http.StatusGone)
	stranger := s.browser()
	won := make(chan int, 10)
	simultaneously(10, func(int) { won <- stranger.post("/verify", link).StatusCode })
	n := 0
	for range 10 {
		if <-won == http.StatusOK {
			n++
		}
	}
	if a := s.users.byLogin("new@example.com"); n != 1 || a.ID != ada.ID || !a.EmailVerified {
		t.Errorf("%d of 10 uses succeeded, account %+v", n, a)
	}
	// The old mailbox does not lead into the account any more.
	stranger.get("/reset?"+oldMailbox.Encode()).want(t, http.StatusGone)
	stranger.post("/reset", with(oldMailbox, "password", newPassword)).want(t, http.StatusGone)
	b.get("/account").want(t, http.StatusOK)
	s.signIn("new@example.com", goodPassword)
}

// TestChangeEmailTellsNothing asks for addresses of others.
func TestChangeEmailTellsNothing(t *testing.T) {
	s := start(t)
	ada, b := s.person("ada@example.com")
	bob, _ := s.person("bob@example.com")
	s.advance(2 * time.Hour)
	ask := func(email string) answer {
		t.Helper()
		begin := time.Now()
		got := b.post("/account/email", url.Values{"email": {email}, "password": {goodPassword}}).want(t, http.StatusOK)
		if took := time.Since(begin); took < 100*time.Millisecond {
			t.Errorf("the answer for %s came after %s", email, took)
		}
		return got
	}
	taken := ask("bob@example.com")
	if n := len(s.events(event.TypeEmailChangeRequested, ada.ID)); n != 1 {
		t.Errorf("%d notices to the own old mailbox, which would tell", n)
	}
	mails := s.mails(bob.ID)
	if last := mails[len(mails)-1]; len(mails) != 2 || last.Purpose != event.PurposeExistingAccount || last.Email != "bob@example.com" {
		t.Errorf("mails to the owner: %+v", mails)
	}
	if n := len(s.mails(ada.ID)); n != 1 { // of the registration
		t.Errorf("%d mails", n)
	}
	ask("bob@example.com")
	if n := len(s.events(event.TypeEmailChangeRequested, ada.ID)); n != 1 {
		t.Errorf("%d notices within a minute", n)
	}
	s.advance(2 * time.Minute)
	free := ask("free@example.com")
	if strings.ReplaceAll(taken.body, "bob@", "") != strings.ReplaceAll(free.body, "free@", "") {
		t.Errorf("the pages differ:\n%s\n%s", taken.body, free.body)
	}
	// Registered by somebody else before the link was followed.
	link := s.linkOf(ada.ID, "/verify")
	s.users.change(bob.ID, func(a *userapi.Account) { a.Email = "free@example.com" })
	b.post("/verify", link).want(t, http.StatusGone)
	s.users.change(bob.ID, func(a *userapi.Account) { a.Email = "bob@example.com" })
	// The account has another address by now.
	s.users.change(ada.ID, func(a *userapi.Account) { a.Email = "third@example.com" })
	b.post("/verify", link).want(t, http.StatusGone)
	s.users.change(ada.ID, func(a *userapi.Account) { a.Email, a.Status = "ada@example.com", userapi.StatusSuspended })
	s.browser().post("/verify", link).want(t, http.StatusForbidden)
	s.users.change(ada.ID, func(a *userapi.Account) { a.Status = userapi.StatusActive })

	// One address is not flooded, however many accounts ask.
	s.advance(2 * time.Hour)
	b, bobs := s.signIn("ada@example.com", goodPassword), s.signIn("bob@example.com", goodPassword)
	for range 5 {
		s.advance(2 * time.Minute)
		b.post("/account/email", url.Values{"email": {"victim@example.com"}, "password": {goodPassword}}).want(t, http.StatusOK)
	}
	sent := len(s.mails(ada.ID))
	bobs.post("/account/email", url.Values{"email": {"Victim@example.com"}, "password": {goodPassword}}).want(t, http.StatusOK)
	if n := len(s.mails(bob.ID)); n != 2 {
		t.Errorf("%d mails asked for by another, besides %d", n, sent)
	}
	newest, older := s.linkOf(ada.ID, "/verify"), link
	b.post("/verify", older).want(t, http.StatusGone)
	b.post("/account/password", url.Values{"current": {goodPassword}, "password": {newPassword}}).want(t, http.StatusSeeOther)
	b.post("/verify", newest).want(t, http.StatusGone) // a new password takes back what was asked before
}

// TestSignInRecords holds the audit log against what happened.
func TestSignInRecords(t *testing.T) {
	s := start(t)
	client := s.publicClient()
	ada, b := s.person("ada@example.com")
	if got := s.records("session.created"); len(got) != 1 || got[0].Actor != ada.ID || got[0].Kind != "session" || got[0].Details["method"] != "password" {
		t.Errorf("records of the sign-in: %+v", got)
	}
	for _, action := range []string{"user.registered", "email.verified"} {
		if got := s.records(action); len(got) != 1 || got[0].Subject != ada.ID {
			t.Errorf("%s: %+v", action, got)
		}
	}
	stranger := s.browser()
	stranger.post("/login", url.Values{"login": {"ada@example.com"}, "password": {"a secret of mine"}}).want(t, http.StatusUnauthorized)
	stranger.post("/login", url.Values{"login": {"a secret of mine"}, "password": {"x"}}).want(t, http.StatusUnauthorized)
	s.users.change(ada.ID, func(a *userapi.Account) { a.Status = userapi.StatusSuspended })
	stranger.post("/login", url.Values{"login": {"ada@example.com"}, "password": {goodPassword}}).want(t, http.StatusForbidden)
	s.users.change(ada.ID, func(a *userapi.Account) { a.Status = userapi.StatusActive })
	failed := s.records("session.sign_in_failed")
	if len(failed) != 3 || failed[0].Subject != ada.ID || failed[1].Subject != "" || failed[2].Details["reason"] != "not_active" {
		t.Errorf("records of failures: %+v", failed)
	}
	for _, f := range failed {
		if f.Outcome != "failure" || f.Actor != "" {
			t.Errorf("record %+v", f)
		}
	}
	var leaks int
	if err := s.db.Pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM audit_log a WHERE to_jsonb(a)::text LIKE '%a secret of mine%')
		+ (SELECT count(*) FROM outbox WHERE event::text LIKE '%a secret of mine%' OR event::text LIKE '%horse%')`).Scan(&leaks); err != nil || leaks != 0 {
		t.Errorf("%d rows hold what was typed (%v)", leaks, err)
	}

	first := b.tokens(client.ClientID)
	b.redeem(refreshForm(client.ClientID, first.RefreshToken), http.StatusOK)
	s.advance(11 * time.Second)
	b.redeem(refreshForm(client.ClientID, first.RefreshToken), http.StatusBadRequest)
	b.redeem(refreshForm(client.ClientID, first.RefreshToken), http.StatusBadRequest)
	if got := s.records("token.refresh_reuse_detected"); len(got) != 1 || got[0].Outcome != "denied" || got[0].Details["user_id"] != ada.ID {
		t.Errorf("records of the reuse: %+v", got)
	}
	code := b.code(client.ClientID)
	b.redeem(codeForm(client.ClientID, code), http.StatusOK)
	for range 3 {
		b.redeem(codeForm(client.ClientID, code), http.StatusBadRequest)
	}
	if got := s.records("token.code_reuse_detected"); len(got) != 1 {
		t.Errorf("records of the code: %+v", got)
	}
	b.post("/oauth2/logout", nil).want(t, http.StatusOK)
	if got := s.records("session.revoked"); len(got) != 1 || got[0].Actor != ada.ID || got[0].Details["reason"] != "sign_out" {
		t.Errorf("records of signing out: %+v", got)
	}
}
