package app_test

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/event"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/postgres"
)

const newPassword = "another horse battery"

// askReset asks for a mail.
func (b *browser) askReset(email string) answer {
	return b.post("/reset", url.Values{"email": {email}}, "X-Forwarded-For", "192.0.2.7")
}

// TestReset walks the whole way: what the old password gave is over at once.
func TestReset(t *testing.T) {
	s := start(t)
	client := s.publicClient()
	ada, b := s.person("ada@example.com")
	held := b.tokens(client.ClientID)
	other := s.signIn("ada@example.com", goodPassword)
	offline := other.tokens(client.ClientID, "scope", "openid offline_access")
	code := other.code(client.ClientID)
	gone := s.signIn("ada@example.com", goodPassword)
	outlived := gone.tokens(client.ClientID, "scope", "openid offline_access")
	gone.post("/oauth2/logout", nil).want(t, http.StatusOK)
	outlived = gone.redeem(refreshForm(client.ClientID, outlived.RefreshToken), http.StatusOK)

	if page := b.get("/login").body; !strings.Contains(page, `href="/reset"`) {
		t.Error("the sign-in page does not lead to the reset")
	}
	s.browser().askReset("ada@example.com").want(t, http.StatusOK)
	link := s.linkOf(ada.ID, "/reset")
	if m := s.mails(ada.ID); m[len(m)-1].Purpose != event.PurposeResetPassword || m[len(m)-1].Email != "ada@example.com" {
		t.Errorf("mail %+v", m[len(m)-1])
	}
	if got := s.records("password.reset_requested"); len(got) != 1 || got[0].Subject != ada.ID || got[0].Actor == ada.ID {
		t.Errorf("records of the request: %+v", got)
	}
	stranger := s.browser()
	for range 3 { // a program that follows links changes nothing
		if page := stranger.get("/reset?"+link.Encode()).want(t, http.StatusOK); !strings.Contains(page.body, `name="password"`) {
			t.Fatalf("no form: %s", page.body)
		}
	}
	for name, bad := range map[string]string{"short": "short", "common": "password123", "own": "ada@example.com", "none": ""} {
		if got := stranger.post("/reset", with(link, "password", bad)); got.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%s: status %d", name, got.StatusCode)
		}
	}
	done := stranger.post("/reset", with(link, "password", newPassword), "X-Forwarded-For", "192.0.2.8").want(t, http.StatusOK)
	if strings.Contains(done.body, newPassword) {
		t.Error("the page repeats the password")
	}
	stranger.post("/reset", with(link, "password", "a third password")).want(t, http.StatusGone)
	stranger.get("/reset?"+link.Encode()).want(t, http.StatusGone)

	b.get("/account").want(t, http.StatusSeeOther)
	b.redeem(refreshForm(client.ClientID, held.RefreshToken), http.StatusBadRequest)
	b.redeem(refreshForm(client.ClientID, offline.RefreshToken), http.StatusBadRequest)
	b.redeem(refreshForm(client.ClientID, outlived.RefreshToken), http.StatusBadRequest)
	b.redeem(codeForm(client.ClientID, code), http.StatusBadRequest)
	b.post("/login", url.Values{"login": {"ada@example.com"}, "password": {goodPassword}}).want(t, http.StatusUnauthorized)
	s.signIn("ada@example.com", newPassword)
	changed := s.events(event.TypePasswordChanged, ada.ID)
	if len(changed) != 1 || changed[0]["reason"] != "reset" || changed[0]["address"] != "192.0.2.8" {
		t.Errorf("events %v", changed)
	}
	if n := len(s.events(event.TypeSessionRevoked, ada.ID)); n != 3 { // with the one that signed out
		t.Errorf("%d sessions revoked, want 3", n)
	}
	if got := s.records("password.reset"); len(got) != 1 || got[0].Subject != ada.ID || got[0].Actor != ada.ID {
		t.Errorf("records of the reset: %+v", got)
	}
}

// TestResetTellsNothing compares known, unknown and throttled addresses.
func TestResetTellsNothing(t *testing.T) {
	s := start(t)
	ada, _ := s.person("ada@example.com")
	b := s.browser()
	ask := func(email string) answer {
		begin := time.Now()
		got := b.askReset(email)
		if took := time.Since(begin); got.StatusCode == http.StatusOK && took < 100*time.Millisecond {
			t.Errorf("the answer for %s came after %s", email, took)
		}
		return got
	}
	known, unknown := ask("ada@example.com").want(t, http.StatusOK), ask("eve@example.com").want(t, http.StatusOK)
	if strings.ReplaceAll(known.body, "ada@", "") != strings.ReplaceAll(unknown.body, "eve@", "") {
		t.Errorf("the pages differ:\n%s\n%s", known.body, unknown.body)
	}
	ask("ada@example.com").want(t, http.StatusOK)
	if n := len(s.mails(ada.ID)); n != 2 { // the other one is of the registration
		t.Errorf("%d mails in a minute", n)
	}
	for range 10 {
		s.advance(5 * time.Minute)
		ask("ada@example.com")
	}
	if n := len(s.mails(ada.ID)); n > 6 {
		t.Errorf("%d mails within an hour", n)
	}
	s.advance(2 * time.Hour)
	codes := map[string][]int{}
	for _, email := range []string{"ada@example.com", "eve@example.com"} {
		for range 8 {
			codes[email] = append(codes[email], ask(email).StatusCode)
		}
	}
	k, u := codes["ada@example.com"], codes["eve@example.com"]
	for i := range k {
		if k[i] != u[i] {
			t.Errorf("attempt %d: %d for a known address, %d for an unknown one", i, k[i], u[i])
		}
	}
	if k[len(k)-1] != http.StatusTooManyRequests {
		t.Errorf("statuses %v", k)
	}
	// An address of the network is throttled too, whatever it asks for.
	last := 0
	for i := range 40 {
		last = b.askReset("someone" + strconv.Itoa(i) + "@example.com").StatusCode
		if last == http.StatusTooManyRequests {
			break
		}
	}
	if last != http.StatusTooManyRequests {
		t.Error("one address may ask for any number of mails")
	}
	// Nor does that keep anybody from signing in.
	b.post("/login", url.Values{"login": {"ada@example.com"}, "password": {goodPassword}}, "X-Forwarded-For", "192.0.2.7").want(t, http.StatusSeeOther)
	for _, form := range []url.Values{{}, {"email": {""}}, {"email": {strings.Repeat("x", 999)}}} {
		b.post("/reset", form).want(t, http.StatusUnprocessableEntity)
	}
	b.do(http.MethodPost, "/reset", strings.NewReader(`{}`), http.Header{"Content-Type": {"application/json"}}).want(t, http.StatusBadRequest)
	b.post("/reset", url.Values{"email": {"ada@example.com"}}, "Origin", "https://evil.example").want(t, http.StatusForbidden)
}

// TestResetLinkOnce uses one link many times at once.
func TestResetLinkOnce(t *testing.T) {
	s := start(t)
	ada, _ := s.person("ada@example.com")
	s.browser().askReset("ada@example.com").want(t, http.StatusOK)
	link := s.linkOf(ada.ID, "/reset")
	const n = 10
	statuses := make([]int, n)
	simultaneously(n, func(i int) {
		statuses[i] = s.browser().post("/reset", with(link, "password", newPassword+strconv.Itoa(i))).StatusCode
	})
	winner := -1
	for i, status := range statuses {
		switch {
		case status == http.StatusOK && winner < 0:
			winner = i
		case status != http.StatusGone:
			t.Errorf("statuses %v", statuses)
		}
	}
	if winner < 0 {
		t.Fatalf("nobody won: %v", statuses)
	}
	s.signIn("ada@example.com", newPassword+strconv.Itoa(winner))
	if n := len(s.events(event.TypePasswordChanged, ada.ID)); n != 1 {
		t.Errorf("%d changes", n)
	}
}

// TestResetLink is good once, for a while, for the newest mail, and for nothing
// else.
func TestResetLink(t *testing.T) {
	s := start(t)
	ada, adas := s.person("ada@example.com")
	b := s.browser()
	link := func() url.Values {
		t.Helper()
		s.advance(10 * time.Minute)
		b.askReset("ada@example.com").want(t, http.StatusOK)
		return s.linkOf(ada.ID, "/reset")
	}
	older, newer := link(), link()
	b.post("/reset", with(older, "password", newPassword)).want(t, http.StatusGone)
	b.post("/verify", newer).want(t, http.StatusGone)
	for name, form := range map[string]url.Values{
		"wrong code": with(newer, "code", strings.Repeat("A", 43)),
		"no code":    {"challenge": newer["challenge"]},
		"no id":      {"code": newer["code"]},
		"not a UUID": with(newer, "challenge", "x"),
		"U+0000":     with(newer, "challenge", "\x00"),
	} {
		if got := b.post("/reset", with(form, "password", newPassword)); got.StatusCode != http.StatusGone && got.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: status %d", name, got.StatusCode)
		}
	}
	s.users.setDown(true)
	b.post("/reset", with(newer, "password", newPassword)).want(t, http.StatusServiceUnavailable)
	s.users.setDown(false)

	// A password changed otherwise, and another address, take the link's worth.
	adas.post("/account/password", url.Values{"current": {goodPassword}, "password": {newPassword}}).want(t, http.StatusSeeOther)
	b.post("/reset", with(newer, "password", "a third password")).want(t, http.StatusGone)
	stale := link()
	s.users.change(ada.ID, func(a *userapi.Account) { a.Email = "other@example.com" })
	b.post("/reset", with(stale, "password", "a third password")).want(t, http.StatusGone)
	s.users.change(ada.ID, func(a *userapi.Account) { a.Email = "ada@example.com" })

	late := link()
	s.advance(61 * time.Minute)
	b.post("/reset", with(late, "password", "a third password")).want(t, http.StatusGone)
	s.signIn("ada@example.com", newPassword)
}

// TestResetProvesTheMailbox resets accounts in every state.
func TestResetProvesTheMailbox(t *testing.T) {
	s := start(t)
	b := s.browser()
	t.Run("registered by a stranger", func(t *testing.T) {
		b.post("/register", url.Values{"email": {"ada@example.com"}, "password": {"the stranger's password"}}).want(t, http.StatusOK)
		ada := s.users.byLogin("ada@example.com")
		registration := s.challengeOf(ada.ID)
		b.askReset("ada@example.com").want(t, http.StatusOK)
		s.browser().post("/reset", with(s.linkOf(ada.ID, "/reset"), "password", newPassword)).want(t, http.StatusOK)
		if a := s.users.byLogin("ada@example.com"); a.Status != userapi.StatusActive || !a.EmailVerified {
			t.Errorf("account %+v", a)
		}
		// The stranger's password must not come back by the older mail.
		s.browser().post("/verify", registration).want(t, http.StatusGone)
		s.signIn("ada@example.com", newPassword)
	})
	t.Run("without a password", func(t *testing.T) {
		bob := "01890a5d-ac96-774b-bcce-b302099a8057"
		s.users.change(bob, func(a *userapi.Account) {
			*a = userapi.Account{ID: bob, Email: "bob@example.com", Status: userapi.StatusPending}
		})
		b.askReset("bob@example.com").want(t, http.StatusOK)
		b.post("/reset", with(s.linkOf(bob, "/reset"), "password", newPassword)).want(t, http.StatusOK)
		s.signIn("bob@example.com", newPassword)
	})
	t.Run("suspended", func(t *testing.T) {
		eve, _ := s.person("eve@example.com")
		s.users.change(eve.ID, func(a *userapi.Account) { a.Status = userapi.StatusSuspended })
		b.askReset("eve@example.com").want(t, http.StatusOK)
		got := b.post("/reset", with(s.linkOf(eve.ID, "/reset"), "password", newPassword)).want(t, http.StatusForbidden)
		atSignIn := b.post("/login", url.Values{"login": {"eve@example.com"}, "password": {goodPassword}}).want(t, http.StatusForbidden)
		const words = "This account cannot sign in. Ask your administrator."
		if !strings.Contains(got.body, words) || !strings.Contains(atSignIn.body, words) {
			t.Errorf("words: %s\n%s", got.body, atSignIn.body)
		}
		if s.users.byLogin("eve@example.com").Status != userapi.StatusSuspended {
			t.Error("the reset ended the suspension")
		}
		s.users.change(eve.ID, func(a *userapi.Account) { a.Status = userapi.StatusActive })
		s.signIn("eve@example.com", goodPassword)
	})
}

// TestSignInDuringReset signs in with the old password while it is replaced: no
// session of it is left.
func TestSignInDuringReset(t *testing.T) {
	s := start(t)
	ada, _ := s.person("ada@example.com")
	for round := range 5 {
		old, next := goodPassword, newPassword
		if round%2 == 1 {
			old, next = newPassword, goodPassword
		}
		s.advance(time.Hour)
		s.browser().askReset("ada@example.com").want(t, http.StatusOK)
		link := s.linkOf(ada.ID, "/reset")
		simultaneously(6, func(i int) {
			if i == 5 {
				if got := s.browser().post("/reset", with(link, "password", next)); got.StatusCode != http.StatusOK {
					t.Errorf("reset: status %d", got.StatusCode)
				}
				return
			}
			got := s.browser().post("/login", url.Values{"login": {"ada@example.com"}, "password": {old}}).StatusCode
			if got != http.StatusSeeOther && got != http.StatusUnauthorized {
				t.Errorf("sign-in: status %d", got)
			}
		})
		var live int
		if err := s.db.Pool.QueryRow(t.Context(), `SELECT count(*) FROM sessions WHERE ended_at IS NULL`).Scan(&live); err != nil || live != 0 {
			t.Fatalf("round %d: %d sessions of the old password are left (%v)", round, live, err)
		}
	}
	stale := auth.NewSession{PasswordHash: "of a password before", Session: auth.Session{
		ID: uuid.NewString(), UserID: ada.ID, CookieHash: []byte("x"), CreatedAt: s.now(), ExpiresAt: s.now().Add(time.Hour), IdleExpiresAt: s.now().Add(time.Hour),
	}}
	if err := postgres.NewSessions(s.db).CreateSession(t.Context(), stale); !errors.Is(err, auth.ErrRevoked) {
		t.Errorf("a session of a password before: %v", err)
	}
}
