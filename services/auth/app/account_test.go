package app_test

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/event"
)

// TestRegistrationTellsNothing registers new and known addresses: the pages are
// the same, the mails differ.
func TestRegistrationTellsNothing(t *testing.T) {
	s := start(t)
	known, _ := s.person("known@example.com")
	b := s.browser()
	register := func(email string) answer {
		begin := time.Now()
		got := b.post("/register", url.Values{"email": {email}, "password": {goodPassword}})
		// Nor does the time tell: it is longer than what the work takes.
		if took := time.Since(begin); took < 100*time.Millisecond {
			t.Errorf("the answer for %s came after %s", email, took)
		}
		return got
	}
	s.advance(2 * time.Hour) // past the limit on mails
	first := register("new@example.com").want(t, http.StatusOK)
	second := register("known@example.com").want(t, http.StatusOK)
	if strings.ReplaceAll(first.body, "new@example.com", "") != strings.ReplaceAll(second.body, "known@example.com", "") {
		t.Errorf("the pages differ:\n%s\n%s", first.body, second.body)
	}
	mails := s.mails(known.ID)
	last := mails[len(mails)-1]
	if len(mails) != 2 || last.Purpose != event.PurposeExistingAccount || last.Email != "known@example.com" {
		t.Errorf("mails to the known address: %+v", mails)
	}
	s.as("email")
	link, err := s.authapi().ChallengeLink(t.Context(), last.ChallengeID)
	if err != nil || link.Link != issuer+"/login" {
		t.Errorf("link in the mail to a known address: %+v, %v", link, err)
	}
	s.as("gateway")
	register("known@example.com").want(t, http.StatusOK)
	if n := len(s.mails(known.ID)); n != 2 {
		t.Errorf("%d mails after a second attempt in the same minute", n)
	}
	// A taken username is told, whether the address is known or not.
	s.users.change(known.ID, func(a *userapi.Account) { a.Username = "taken" })
	for _, email := range []string{"known@example.com", "other@example.com"} {
		resp := b.post("/register", url.Values{"email": {email}, "username": {"Taken"}, "password": {goodPassword}}).want(t, http.StatusUnprocessableEntity)
		if !strings.Contains(resp.body, "username is taken") {
			t.Errorf("%s: %s", email, resp.body)
		}
	}
}

// TestRegistrationForm sends what must be refused beside its field.
func TestRegistrationForm(t *testing.T) {
	s := start(t)
	b := s.browser()
	for name, test := range map[string]struct{ email, username, password, field string }{
		"no address":          {"", "", goodPassword, "email"},
		"no domain":           {"ada", "", goodPassword, "email"},
		"a name with it":      {"Ada <ada@example.com>", "", goodPassword, "email"},
		"short password":      {"ada@example.com", "", "1234567", "password"},
		"long password":       {"ada@example.com", "", strings.Repeat("ab!d", 33), "password"},
		"common password":     {"ada@example.com", "", "Password123", "password"},
		"repeated":            {"ada@example.com", "", "abcabcabcabc", "password"},
		"the address":         {"ada.lovelace@example.com", "", "Ada.Lovelace", "password"},
		"at in the username":  {"ada@example.com", "a@b.example", goodPassword, "username"},
		"refused by the user": {"ada@example.com", "refused", goodPassword, "username"},
	} {
		t.Run(name, func(t *testing.T) {
			resp := b.post("/register", url.Values{"email": {test.email}, "username": {test.username}, "password": {test.password}}).want(t, http.StatusUnprocessableEntity)
			if !strings.Contains(resp.body, `id="`+test.field+`-error"`) {
				t.Errorf("no message beside %s: %s", test.field, resp.body)
			}
			if strings.Contains(resp.body, test.password) && test.password != "" && test.field != "email" {
				t.Error("the page repeats the password")
			}
		})
	}
	if n := s.users.count(); n != 0 {
		t.Errorf("%d accounts were made", n)
	}
	b.do(http.MethodPost, "/register", strings.NewReader(`{}`), http.Header{"Content-Type": {"application/json"}}).want(t, http.StatusBadRequest)
}

// TestWhoReadsTheMailOwnsTheAccount registers an address as a stranger first:
// the password of the mail that was followed counts.
func TestWhoReadsTheMailOwnsTheAccount(t *testing.T) {
	s := start(t)
	b := s.browser()
	b.post("/register", url.Values{"email": {"ada@example.com"}, "password": {"the stranger's password"}}).want(t, http.StatusOK)
	s.advance(5 * time.Minute)
	b.post("/register", url.Values{"email": {"ada@example.com"}, "password": {"the owner's password"}}).want(t, http.StatusOK)
	account := s.users.byLogin("ada@example.com")
	if n := s.users.count(); n != 1 {
		t.Fatalf("%d accounts of one address", n)
	}
	b.post("/verify", s.challengeOf(account.ID)).want(t, http.StatusOK)
	b.post("/login", url.Values{"login": {"ada@example.com"}, "password": {"the stranger's password"}}).want(t, http.StatusUnauthorized)
	b.post("/login", url.Values{"login": {"ada@example.com"}, "password": {"the owner's password"}}).want(t, http.StatusSeeOther)
}

// TestConcurrentRegistration registers one address 20 times at once.
func TestConcurrentRegistration(t *testing.T) {
	s := start(t)
	simultaneously(20, func(int) {
		resp := s.browser().post("/register", url.Values{"email": {"ada@example.com"}, "password": {goodPassword}})
		if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("status %d", resp.StatusCode)
		}
	})
	if n := s.users.count(); n != 1 {
		t.Errorf("%d accounts", n)
	}
	if n := len(s.mails(s.users.byLogin("ada@example.com").ID)); n != 1 {
		t.Errorf("%d mails", n)
	}
}

// TestUnverifiedSignIn asks for another mail, a few times.
func TestUnverifiedSignIn(t *testing.T) {
	s := start(t)
	b := s.browser()
	b.post("/register", url.Values{"email": {"ada@example.com"}, "password": {goodPassword}}).want(t, http.StatusOK)
	account := s.users.byLogin("ada@example.com")
	sign := func() {
		resp := b.post("/login", url.Values{"login": {"ada@example.com"}, "password": {goodPassword}}).want(t, http.StatusForbidden)
		if len(resp.Cookies()) != 0 || titleOf(resp.body) != "Check your mail" {
			t.Errorf("%v %s", resp.Cookies(), resp.body)
		}
	}
	sign()
	if n := len(s.mails(account.ID)); n != 1 {
		t.Errorf("%d mails in the first minute", n)
	}
	for range 10 {
		s.advance(61 * time.Second)
		sign()
	}
	if n := len(s.mails(account.ID)); n != 5 {
		t.Errorf("%d mails in an hour, want 5", n)
	}
	b.post("/login", url.Values{"login": {"ada@example.com"}, "password": {"not the password"}}).want(t, http.StatusUnauthorized)
	b.post("/verify", s.challengeOf(account.ID)).want(t, http.StatusOK)
	b.post("/login", url.Values{"login": {"ada@example.com"}, "password": {goodPassword}}).want(t, http.StatusSeeOther)
}

// TestVerificationLink is single-use, expires, and cannot be guessed.
func TestVerificationLink(t *testing.T) {
	s := start(t)
	b := s.browser()
	b.post("/register", url.Values{"email": {"ada@example.com"}, "password": {goodPassword}}).want(t, http.StatusOK)
	account := s.users.byLogin("ada@example.com")
	link := s.challengeOf(account.ID)
	for name, form := range map[string]url.Values{
		"wrong code":     {"challenge": link["challenge"], "code": {strings.Repeat("A", 43)}},
		"no code":        {"challenge": link["challenge"]},
		"another's code": {"challenge": {"01890a5d-ac96-774b-bcce-b302099a8057"}, "code": link["code"]},
		"not a UUID":     {"challenge": {"x"}, "code": link["code"]},
	} {
		if resp := b.post("/verify", form); resp.StatusCode != http.StatusGone {
			t.Errorf("%s: status %d", name, resp.StatusCode)
		}
		b.get("/verify?"+form.Encode()).want(t, http.StatusGone)
	}
	s.users.setDown(true)
	b.post("/verify", link).want(t, http.StatusServiceUnavailable)
	s.users.setDown(false)
	won := make(chan bool, 20)
	simultaneously(20, func(int) { won <- b.post("/verify", link).StatusCode == http.StatusOK })
	n := 0
	for range 20 {
		if <-won {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d of 20 uses of one link succeeded", n)
	}
	b.post("/register", url.Values{"email": {"late@example.com"}, "password": {goodPassword}}).want(t, http.StatusOK)
	late := s.challengeOf(s.users.byLogin("late@example.com").ID)
	s.advance(25 * time.Hour)
	b.post("/verify", late).want(t, http.StatusGone)
	s.as("email")
	if _, err := s.authapi().ChallengeLink(t.Context(), late.Get("challenge")); err == nil {
		t.Error("the link of an expired challenge is told")
	}
}

// TestSignInAnswersAlike compares unknown and known accounts.
func TestSignInAnswersAlike(t *testing.T) {
	s := start(t)
	_, b := s.person("ada@example.com")
	sign := func(login string) answer {
		return b.post("/login", url.Values{"login": {login}, "password": {"not the password"}}).want(t, http.StatusUnauthorized)
	}
	known, unknown := sign("ada@example.com"), sign("eve@example.com")
	if strings.ReplaceAll(known.body, "ada@", "") != strings.ReplaceAll(unknown.body, "eve@", "") {
		t.Error("the pages differ")
	}
	if strings.Contains(known.body, "not the password") {
		t.Error("the page repeats the password")
	}
	for _, form := range []url.Values{{}, {"login": {"ada"}}, {"password": {"x"}}, {"login": {strings.Repeat("x", 999)}, "password": {"x"}}} {
		b.post("/login", form).want(t, http.StatusUnprocessableEntity)
	}
}

// TestThrottle guesses at one account.
func TestThrottle(t *testing.T) {
	s := start(t)
	_, b := s.person("ada@example.com")
	_, other := s.person("bob@example.com")
	guess := func(password string) answer {
		return b.post("/login", url.Values{"login": {"Ada@Example.com"}, "password": {password}}, "X-Forwarded-For", "192.0.2.1")
	}
	for i := range 9 {
		guess("guess "+strconv.Itoa(i)).want(t, http.StatusUnauthorized)
	}
	paused := guess(goodPassword).want(t, http.StatusTooManyRequests)
	if n, err := strconv.Atoi(paused.Header.Get("Retry-After")); err != nil || n < 1 || n > 60 {
		t.Errorf("Retry-After: %q", paused.Header.Get("Retry-After"))
	}
	other.post("/login", url.Values{"login": {"bob@example.com"}, "password": {goodPassword}}, "X-Forwarded-For", "192.0.2.1").want(t, http.StatusSeeOther)
	s.advance(61 * time.Second)
	guess(goodPassword).want(t, http.StatusSeeOther)
	for i := range 8 { // the count began again
		guess("guess "+strconv.Itoa(i)).want(t, http.StatusUnauthorized)
	}
	t.Run("at once", func(t *testing.T) {
		s.advance(time.Hour)
		passed := make(chan int, 60)
		simultaneously(60, func(int) { passed <- guess("another guess").StatusCode })
		n := 0
		for range 60 {
			if <-passed == http.StatusUnauthorized {
				n++
			}
		}
		if n > 9 {
			t.Errorf("%d of 60 guesses at once were tried", n)
		}
	})
	t.Run("other spellings", func(t *testing.T) {
		s.advance(time.Hour)
		spell := func(login string) answer {
			return b.post("/login", url.Values{"login": {login}, "password": {"a guess"}}, "X-Forwarded-For", "192.0.2.2")
		}
		for i := range 9 {
			spell("ada@exam"+strings.Repeat("\u00ad", i)+"ple.com").want(t, http.StatusUnauthorized)
		}
		for _, login := range []string{"ada@example.com", "ada@\uff45xample.com", "ADA@example\u3002com", "\u00a0ada@e\u00adxample.com"} {
			if got := spell(login).StatusCode; got != http.StatusTooManyRequests {
				t.Errorf("%q: status %d", login, got)
			}
		}
	})
}

// TestSetup makes the first administrator, once.
func TestSetup(t *testing.T) {
	s := start(t)
	old, err := s.app.SetupLink(t.Context())
	if err != nil || !strings.HasPrefix(old, issuer+"/setup?token=") {
		t.Fatalf("link %q, %v", old, err)
	}
	link, err := s.app.SetupLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tokenOf := func(link string) string {
		u, err := url.Parse(link)
		if err != nil {
			t.Fatal(err)
		}
		return u.Query().Get("token")
	}
	b := s.browser()
	b.get(strings.TrimPrefix(old, issuer)).want(t, http.StatusGone) // replaced
	if page := b.get(strings.TrimPrefix(link, issuer)).want(t, http.StatusOK); !strings.Contains(page.body, `action="/setup"`) {
		t.Errorf("page: %s", page.body)
	}
	form := url.Values{"token": {tokenOf(link)}, "email": {"root@example.com"}, "username": {"root"}, "password": {goodPassword}}
	bad := func(name, value string) url.Values {
		c := url.Values{}
		for k, v := range form {
			c[k] = v
		}
		c.Set(name, value)
		return c
	}
	b.post("/setup", bad("password", "short")).want(t, http.StatusUnprocessableEntity)
	b.post("/setup", bad("username", "refused")).want(t, http.StatusUnprocessableEntity)
	b.post("/setup", bad("token", "x")).want(t, http.StatusGone)
	won := make(chan int, 10)
	simultaneously(10, func(i int) {
		won <- s.browser().post("/setup", bad("email", "root"+strconv.Itoa(i)+"@example.com")).StatusCode
	})
	n := 0
	for range 10 {
		if <-won == http.StatusSeeOther {
			n++
		}
	}
	if n != 1 || s.users.count() != 1 {
		t.Fatalf("%d uses of one link, %d administrators", n, s.users.count())
	}
	root := s.users.byLogin("root")
	if root.Status != userapi.StatusActive || !root.EmailVerified || len(root.Roles) != 1 || root.Roles[0] != "admin" {
		t.Errorf("administrator: %+v", root)
	}
	b.post("/setup", form).want(t, http.StatusGone)
	b.post("/login", url.Values{"login": {"root"}, "password": {goodPassword}}).want(t, http.StatusSeeOther)
	if again, err := s.app.SetupLink(t.Context()); err != nil || again != "" {
		t.Errorf("another link after the first administrator: %q, %v", again, err)
	}
}

// TestSetupLinkExpires lets one lie.
func TestSetupLinkExpires(t *testing.T) {
	s := start(t)
	link, err := s.app.SetupLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.advance(25 * time.Hour)
	s.browser().get(strings.TrimPrefix(link, issuer)).want(t, http.StatusGone)
}
