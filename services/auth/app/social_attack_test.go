package app_test

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatehouse.example/internal/config"
	"gatehouse.example/internal/oidctest"
	"gatehouse.example/internal/pluginhost"
	"gatehouse.example/services/auth/app"
)

// TestSocialState: an answer counts once, in the browser that asked, at the
// provider that was asked.
func TestSocialState(t *testing.T) {
	s := startSocial(t)
	s.trusted.Set(oidctest.Behaviour{Person: person("c1", "grace@example.com", true)})
	s.other.Set(oidctest.Behaviour{Person: person("c1", "grace@example.com", true)})
	b := s.browser()
	callback, parameters := s.trusted.Authorize(t, b.away("corp", ""))
	target := local(t, callback) + "?" + parameters.Encode()

	// Login CSRF: the attacker's answer in the victim's browser, with and
	// without a sign-in of its own under way there.
	victim := s.browser()
	victim.get(target).want(t, http.StatusBadRequest)
	victim.away("corp", "")
	victim.get(target).want(t, http.StatusBadRequest)
	// At another provider's callback.
	elsewhere := s.browser()
	_, foreign := s.trusted.Authorize(t, elsewhere.away("corp", ""))
	elsewhere.get("/login/callback/forum?"+foreign.Encode()).want(t, http.StatusBadRequest)
	// None of this used it up; itself does.
	b.get(target).want(t, http.StatusSeeOther)
	b.get(target).want(t, http.StatusBadRequest)
	if s.trusted.Redeemed() != 1 || s.signedIn(victim) != "" {
		t.Errorf("%d codes redeemed, victim signed in as %q", s.trusted.Redeemed(), s.signedIn(victim))
	}
	// Too late.
	_, late := s.trusted.Authorize(t, b.away("corp", ""))
	s.advance(11 * time.Minute)
	b.get("/login/callback/corp?"+late.Encode()).want(t, http.StatusBadRequest)
}

// TestSocialCodeInjection: a code that was stolen elsewhere is worth nothing in
// the attacker's own sign-in, and none in the thief's: PKCE and nonce differ.
func TestSocialCodeInjection(t *testing.T) {
	s := startSocial(t)
	s.trusted.Set(oidctest.Behaviour{Person: person("c1", "grace@example.com", true)})
	_, stolen := s.trusted.Authorize(t, s.browser().away("corp", ""))
	thief := s.browser()
	_, own := s.trusted.Authorize(t, thief.away("corp", ""))
	own.Set("code", stolen.Get("code"))
	thief.get("/login/callback/corp?"+own.Encode()).want(t, http.StatusBadRequest)
	if s.signedIn(thief) != "" || s.users.count() != 0 {
		t.Error("an injected code signed in")
	}
}

// TestSocialWrongAnswers: nothing that the provider, or who speaks in its name,
// gets wrong signs anybody in.
func TestSocialWrongAnswers(t *testing.T) {
	s := startSocial(t)
	hourAgo := time.Now().Add(-time.Hour).Unix()
	for name, behaviour := range map[string]oidctest.Behaviour{
		"wrong nonce":           {Change: map[string]any{"nonce": "another"}},
		"no nonce":              {Change: map[string]any{"nonce": nil}},
		"wrong audience":        {Change: map[string]any{"aud": "another"}},
		"several audiences":     {Change: map[string]any{"aud": []string{oidctest.ClientID, "another"}}},
		"another party":         {Change: map[string]any{"azp": "another"}},
		"expired":               {Change: map[string]any{"exp": hourAgo}},
		"wrong issuer":          {Change: map[string]any{"iss": "https://evil.example"}},
		"no subject":            {Change: map[string]any{"sub": nil}},
		"foreign key":           {ForeignKey: true},
		"unsigned":              {Unsigned: true},
		"mix-up":                {Iss: "https://evil.example"},
		"no iss, though it has": {Iss: "-"},
		"userinfo of another":   {UserInfoOnly: true, UserInfoSubject: "c2"},
		"long subject":          {Change: map[string]any{"sub": strings.Repeat("x", 256)}},
		"wrong type":            {Change: map[string]any{"email": 7}},
	} {
		t.Run(name, func(t *testing.T) {
			behaviour.Person = person("c1", "grace@example.com", true)
			s.trusted.Set(behaviour)
			b := s.browser()
			got := b.back(t, s.trusted, b.away("corp", "")).want(t, http.StatusBadRequest)
			if titleOf(got.body) != "Not signed in" || s.signedIn(b) != "" || s.users.count() != 0 {
				t.Errorf("%s; %d accounts", got.body, s.users.count())
			}
		})
	}
	// Else it works: the table above failed for its reasons.
	s.trusted.Set(oidctest.Behaviour{Person: person("c1", "grace@example.com", true), UserInfoOnly: true})
	b := s.browser()
	b.back(t, s.trusted, b.away("corp", "")).want(t, http.StatusSeeOther)
}

// TestSocialRefusals: what the provider refuses is said on a page, and nothing
// that came along is repeated there.
func TestSocialRefusals(t *testing.T) {
	s := startSocial(t)
	for code, status := range map[string]int{
		"access_denied": http.StatusForbidden, "user_cancelled_login": http.StatusForbidden, "server_error": http.StatusServiceUnavailable,
		"unauthorized_client": http.StatusBadGateway, "<script>alert(1)</script>": http.StatusBadRequest, strings.Repeat("x", 5000): http.StatusBadRequest,
	} {
		s.trusted.Set(oidctest.Behaviour{Error: code})
		b := s.browser()
		got := b.back(t, s.trusted, b.away("corp", "")).want(t, status)
		if strings.Contains(got.body, "<script") || strings.Contains(got.body, "xxxx") {
			t.Errorf("the page repeats what came along: %s", got.body)
		}
	}
	if s.trusted.Redeemed() != 0 {
		t.Error("a refusal went to the token endpoint")
	}
}

// TestSocialBadInput: no request of a stranger is a server's error.
func TestSocialBadInput(t *testing.T) {
	s := startSocial(t)
	s.trusted.Set(oidctest.Behaviour{Person: person("c1", "grace@example.com", true)})
	b := s.browser()
	b.away("corp", "")
	for _, target := range []string{
		"/login/callback/corp", "/login/callback/corp?", "/login/callback/corp?state=x", "/login/callback/corp?state=x&state=y&code=z",
		"/login/callback/corp?state=%00&code=%00", "/login/callback/corp?state=%ff&code=%ff", "/login/callback/corp?%zz", "/login/callback/corp?code=x",
		"/login/callback/corp?state=" + strings.Repeat("x", 20<<10), "/login/link", "/login/link?flow=%00", "/login/link?flow=x",
	} {
		b.get(target).want(t, http.StatusBadRequest)
	}
	for _, target := range []string{"/login/start/none", "/login/callback/none?state=x", "/login/start/%00", "/login/start/corp%ff", "/login/callback/.."} {
		if got := b.get(target); got.StatusCode < 300 || got.StatusCode >= 500 {
			t.Errorf("%s: %d", target, got.StatusCode)
		}
	}
	// A target elsewhere is not followed.
	for _, target := range []string{"https://evil.example/", "//evil.example", "/login/link/../../x", `/\evil`, "%00"} {
		away := b.away("corp", target)
		if got := b.back(t, s.trusted, away).want(t, http.StatusSeeOther).Header.Get("Location"); got != "/account" {
			t.Errorf("return_to %q led to %q", target, got)
		}
	}
	for _, body := range []string{"", "state=%zz", "a=b&a=c", "\xff", strings.Repeat("a=b&", 1<<20), "code=" + strings.Repeat("x", 20<<10)} {
		got := b.do(http.MethodPost, "/login/callback/corp", strings.NewReader(body), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
		if got.StatusCode != http.StatusBadRequest && got.StatusCode != http.StatusSeeOther {
			t.Errorf("POST of %.20q: %d", body, got.StatusCode)
		}
	}
	b.do(http.MethodPost, "/login/callback/corp", strings.NewReader(`{"state":"x"}`), http.Header{"Content-Type": {"application/json"}}).want(t, http.StatusBadRequest)
	b.do(http.MethodPut, "/login/callback/corp", nil, nil).want(t, http.StatusMethodNotAllowed)
}

// TestSocialFormPost: a form from the provider's site, which carries no cookie
// of ours, becomes a GET that does; tokens stay behind.
func TestSocialFormPost(t *testing.T) {
	s := startSocial(t)
	s.trusted.Set(oidctest.Behaviour{Person: person("c1", "grace@example.com", true)})
	b := s.browser()
	callback, parameters := s.trusted.Authorize(t, b.away("corp", ""))
	parameters.Set("id_token", "a token that nobody asked for")
	posted := s.browser().post(local(t, callback), parameters, "Origin", s.trusted.URL, "Sec-Fetch-Site", "cross-site").want(t, http.StatusSeeOther)
	location := posted.Header.Get("Location")
	if strings.Contains(location, "id_token") || !strings.HasPrefix(location, "/login/callback/corp?") {
		t.Fatalf("to %s", location)
	}
	b.get(location).want(t, http.StatusSeeOther)
	if s.signedIn(b) == "" {
		t.Error("not signed in")
	}
}

// TestSocialProviderDown: auth starts without the provider, says so to who signs
// in, and works as soon as the provider does.
func TestSocialProviderDown(t *testing.T) {
	s := startSocial(t)
	s.trusted.Set(oidctest.Behaviour{Down: true})
	b := s.browser()
	got := b.get("/login/start/corp").want(t, http.StatusServiceUnavailable)
	if got.Header.Get("Retry-After") == "" || !strings.Contains(got.body, "cannot be reached") {
		t.Errorf("page: %s", got.body)
	}
	b.get("/login").want(t, http.StatusOK)
	s.trusted.Set(oidctest.Behaviour{Person: person("c1", "grace@example.com", true)})
	deadline := time.Now().Add(10 * time.Second)
	for b.get("/login/start/corp").StatusCode != http.StatusSeeOther {
		if time.Now().After(deadline) {
			t.Fatal("the provider is up and not used")
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// onlyCorp leaves one provider, so that there is one plugin process.
func onlyCorp(t *testing.T, log pids, timeout time.Duration) func(*app.Options) {
	return func(o *app.Options) {
		o.Config.Providers = map[string]config.Provider{"corp": o.Config.Providers["corp"]}
		o.Plugins = pluginHost(t, func(h *pluginhost.Options) { h.CallTimeout, h.Logger = timeout, slog.New(log) })
	}
}

// TestSocialPluginKilled: a plugin that dies while somebody is at the provider
// is back when the browser is; it keeps nothing that could be lost.
func TestSocialPluginKilled(t *testing.T) {
	log := newPIDs()
	s := startSocial(t, onlyCorp(t, log, 8*time.Second))
	s.trusted.Set(oidctest.Behaviour{Person: person("c1", "grace@example.com", true)})
	b := s.browser()
	away := b.away("corp", "")
	log.signal(t, syscall.SIGKILL)
	// The first call may still find the dying process; then a new sign-in works.
	got := b.back(t, s.trusted, away)
	for attempt := 0; got.StatusCode == http.StatusServiceUnavailable && attempt < 5; attempt++ {
		if sent := b.get("/login/start/corp"); sent.StatusCode == http.StatusSeeOther {
			got = b.back(t, s.trusted, sent.Header.Get("Location"))
		}
	}
	got.want(t, http.StatusSeeOther)
	if s.signedIn(b) == "" {
		t.Error("not signed in")
	}
}

// TestSocialPluginStopped: a plugin that does not answer costs a person no more
// than the call's time, and passwords nothing.
func TestSocialPluginStopped(t *testing.T) {
	log := newPIDs()
	s := startSocial(t, onlyCorp(t, log, time.Second))
	s.trusted.Set(oidctest.Behaviour{Person: person("c1", "grace@example.com", true)})
	s.person("ada@example.com")
	b := s.browser()
	away := b.away("corp", "")
	log.signal(t, syscall.SIGSTOP)
	b.back(t, s.trusted, away).want(t, http.StatusServiceUnavailable)
	b.post("/login", url.Values{"login": {"ada@example.com"}, "password": {goodPassword}}).want(t, http.StatusSeeOther)
	deadline := time.Now().Add(30 * time.Second)
	for {
		sent := b.get("/login/start/corp")
		if sent.StatusCode == http.StatusSeeOther {
			b.back(t, s.trusted, sent.Header.Get("Location")).want(t, http.StatusSeeOther)
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the stopped plugin was not replaced")
		}
	}
}
