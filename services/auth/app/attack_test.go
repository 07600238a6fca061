package app_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/identity"
	"gatehouse.example/services/auth"
)

// simultaneously runs do n times at once and waits.
func simultaneously(n int, do func(i int)) {
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			ready.Done()
			<-start
			do(i)
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
}

// TestCodeIsRedeemedOnce redeems one code 60 times at once: one gets tokens,
// and because the code came twice, they end (RFC 6749 §10.5).
func TestCodeIsRedeemedOnce(t *testing.T) {
	s := start(t)
	client := s.publicClient()
	_, b := s.person("ada@example.com")
	form := codeForm(client.ClientID, b.code(client.ClientID))
	var mu sync.Mutex
	var won []tokens
	simultaneously(60, func(int) {
		resp := b.post("/oauth2/token", form)
		var got tokens
		resp.into(t, &got)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case resp.StatusCode == http.StatusOK:
			won = append(won, got)
		case resp.StatusCode != http.StatusBadRequest || got.Error != "invalid_grant":
			t.Errorf("status %d, error %q", resp.StatusCode, got.Error)
		}
	})
	if len(won) != 1 {
		t.Fatalf("%d redemptions of one code succeeded", len(won))
	}
	b.redeem(refreshForm(client.ClientID, won[0].RefreshToken), http.StatusBadRequest)
	b.do(http.MethodGet, "/oauth2/userinfo", nil, http.Header{"Authorization": {"Bearer " + won[0].AccessToken}}).want(t, http.StatusUnauthorized)
	var notices int
	_, payload := claims(t, won[0].AccessToken)
	if err := s.db.Pool.QueryRow(t.Context(), `SELECT count(*) FROM outbox WHERE event->'data'->>'kind' = 'jti' AND event->'data'->>'id' = $1`, payload["jti"].(string)).Scan(&notices); err != nil || notices == 0 {
		t.Errorf("gateways are not told of the revoked access token (%d, %v)", notices, err)
	}
}

// TestRefreshHasOneSuccessor refreshes one token 200 times at once: all get the
// same successor within the grace window.
func TestRefreshHasOneSuccessor(t *testing.T) {
	s := start(t)
	client := s.publicClient()
	_, b := s.person("ada@example.com")
	first := b.tokens(client.ClientID)
	var mu sync.Mutex
	successors := map[string]int{}
	simultaneously(200, func(int) {
		resp := b.post("/oauth2/token", refreshForm(client.ClientID, first.RefreshToken))
		var got tokens
		resp.into(t, &got)
		mu.Lock()
		defer mu.Unlock()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("status %d: %s", resp.StatusCode, resp.body)
			return
		}
		successors[got.RefreshToken]++
	})
	if len(successors) != 1 {
		t.Fatalf("%d successors of one refresh token", len(successors))
	}
	for successor := range successors {
		b.redeem(refreshForm(client.ClientID, successor), http.StatusOK)
	}
}

// TestRefreshReplay is RFC 9700 §4.14.2.
func TestRefreshReplay(t *testing.T) {
	s := start(t)
	client := s.publicClient()
	_, b := s.person("ada@example.com")
	t.Run("grace", func(t *testing.T) {
		first := b.tokens(client.ClientID)
		second := b.redeem(refreshForm(client.ClientID, first.RefreshToken), http.StatusOK)
		s.advance(9 * time.Second)
		if again := b.redeem(refreshForm(client.ClientID, first.RefreshToken), http.StatusOK); again.RefreshToken != second.RefreshToken {
			t.Error("another successor within the grace window")
		}
		b.redeem(refreshForm(client.ClientID, second.RefreshToken), http.StatusOK)
	})
	t.Run("after the grace window", func(t *testing.T) {
		first := b.tokens(client.ClientID)
		second := b.redeem(refreshForm(client.ClientID, first.RefreshToken), http.StatusOK)
		s.advance(11 * time.Second)
		b.redeem(refreshForm(client.ClientID, first.RefreshToken), http.StatusBadRequest)
		b.redeem(refreshForm(client.ClientID, second.RefreshToken), http.StatusBadRequest)
		b.do(http.MethodGet, "/oauth2/userinfo", nil, http.Header{"Authorization": {"Bearer " + second.AccessToken}}).want(t, http.StatusUnauthorized)
	})
	t.Run("once the successor was used", func(t *testing.T) {
		first := b.tokens(client.ClientID)
		second := b.redeem(refreshForm(client.ClientID, first.RefreshToken), http.StatusOK)
		third := b.redeem(refreshForm(client.ClientID, second.RefreshToken), http.StatusOK)
		b.redeem(refreshForm(client.ClientID, first.RefreshToken), http.StatusBadRequest)
		b.redeem(refreshForm(client.ClientID, third.RefreshToken), http.StatusBadRequest)
	})
	t.Run("an invented token ends nothing", func(t *testing.T) {
		first := b.tokens(client.ClientID)
		b.redeem(refreshForm(client.ClientID, first.RefreshToken[:len(first.RefreshToken)-2]+"AA"), http.StatusBadRequest)
		b.redeem(refreshForm(client.ClientID, first.RefreshToken), http.StatusOK)
	})
}

// TestCrossClient presents one client's codes and tokens as another.
func TestCrossClient(t *testing.T) {
	s := start(t)
	client, other := s.publicClient(), s.publicClient()
	_, b := s.person("ada@example.com")
	code := b.code(client.ClientID)
	b.redeem(codeForm(other.ClientID, code), http.StatusBadRequest)
	got := b.redeem(codeForm(client.ClientID, code), http.StatusOK)
	b.redeem(refreshForm(other.ClientID, got.RefreshToken), http.StatusBadRequest)
	for _, token := range []string{got.RefreshToken, got.AccessToken} {
		b.post("/oauth2/revoke", url.Values{"client_id": {other.ClientID}, "token": {token}}).want(t, http.StatusBadRequest)
	}
	b.do(http.MethodGet, "/oauth2/userinfo", nil, http.Header{"Authorization": {"Bearer " + got.AccessToken}}).want(t, http.StatusOK)
	b.redeem(refreshForm(client.ClientID, got.RefreshToken), http.StatusOK)
}

// TestPKCE is RFC 7636 and the downgrade of RFC 9700 §4.8.2.
func TestPKCE(t *testing.T) {
	s := start(t)
	client := s.publicClient()
	_, b := s.person("ada@example.com")
	for name, change := range map[string][]string{
		"no challenge":            {"code_challenge", "", "code_challenge_method", ""},
		"no challenge but method": {"code_challenge", ""},
		"no method is plain":      {"code_challenge_method", ""},
		"plain":                   {"code_challenge_method", "plain", "code_challenge", verifier},
		"lower case":              {"code_challenge_method", "s256"},
		"too short":               {"code_challenge", "abc"},
		"not base64url":           {"code_challenge", strings.Repeat("+", 43)},
	} {
		t.Run(name, func(t *testing.T) {
			u, err := b.get("/oauth2/authorize?"+authorizeQuery(client.ClientID, change...).Encode()).want(t, http.StatusSeeOther).Location()
			if err != nil || u.Query().Get("error") != "invalid_request" || u.Query().Get("code") != "" {
				t.Errorf("%s %v", u, err)
			}
		})
	}
	for name, given := range map[string]string{"no verifier": "", "another": strings.Repeat("a", 43), "the challenge itself": auth.CodeChallenge(verifier), "too short": "short"} {
		t.Run(name, func(t *testing.T) {
			form := codeForm(client.ClientID, b.code(client.ClientID))
			form.Set("code_verifier", given)
			if got := b.redeem(form, http.StatusBadRequest); got.Error != "invalid_grant" {
				t.Errorf("error %q", got.Error)
			}
		})
	}
}

// TestRedirectURI tries the spellings by which servers have been fooled
// (RFC 9700 §4.1.1). Nothing may be sent to any of them.
func TestRedirectURI(t *testing.T) {
	s := start(t)
	client := s.register(`{"name":"demo","type":"public","redirect_uris":["https://app.example/cb","http://127.0.0.1/cb","com.example.app:/cb"]}`)
	_, b := s.person("ada@example.com")
	for _, uri := range []string{
		"", "https://app.example/cb/", "https://app.example/cb?x=1", "https://app.example/cb#x", "https://app.example/CB", "https://APP.example/cb",
		"https://app.example:443/cb", "https://app.example/cb/../cb", "https://app.example/%63b", "https://app.example//cb", "http://app.example/cb",
		"https://app.example.evil.example/cb", "https://app.example@evil.example/cb", "https://evil.example/https://app.example/cb",
		`https://app.example\@evil.example/cb`, "https://evil.example\thttps://app.example/cb", "//app.example/cb", "/cb", "https://app.example/cb ",
		"http://127.0.0.1.evil.example/cb", "http://127.0.0.1:80@evil.example/cb", "http://127.0.0.1:x/cb", "http://127.0.0.1:/cb", "http://localhost/cb",
		"http://127.0.0.2/cb", "http://127.0.0.1:8080/cb/x", "http://127.1:8080/cb", "http://0x7f000001:8080/cb", "https://127.0.0.1:8080/cb",
		"com.example.app:/cb2", "COM.example.app:/cb", "javascript:alert(1)", "data:text/html,x",
	} {
		resp := b.get("/oauth2/authorize?" + authorizeQuery(client.ClientID, "redirect_uri", uri).Encode())
		if resp.StatusCode != http.StatusBadRequest || resp.Header.Get("Location") != "" {
			t.Errorf("%q: status %d to %q", uri, resp.StatusCode, resp.Header.Get("Location"))
		}
	}
	for _, uri := range []string{"https://app.example/cb", "http://127.0.0.1/cb", "http://127.0.0.1:49152/cb", "com.example.app:/cb"} {
		to := b.get("/oauth2/authorize?"+authorizeQuery(client.ClientID, "redirect_uri", uri).Encode()).want(t, http.StatusSeeOther).Header.Get("Location")
		if !strings.HasPrefix(to, uri+"?code=") {
			t.Errorf("%q: sent to %q", uri, to)
		}
	}
	t.Run("twice", func(t *testing.T) {
		query := authorizeQuery(client.ClientID, "redirect_uri", "https://app.example/cb").Encode() + "&redirect_uri=https%3A%2F%2Fevil.example%2F"
		if resp := b.get("/oauth2/authorize?"+query).want(t, http.StatusBadRequest); resp.Header.Get("Location") != "" {
			t.Error("redirected although the URI is in doubt")
		}
	})
	t.Run("another registered one at the token endpoint", func(t *testing.T) {
		form := codeForm(client.ClientID, b.code(client.ClientID, "redirect_uri", "https://app.example/cb"))
		form.Set("redirect_uri", "http://127.0.0.1/cb")
		if got := b.redeem(form, http.StatusBadRequest); got.Error != "invalid_grant" {
			t.Errorf("error %q", got.Error)
		}
	})
	t.Run("confidential clients have no loopback exception", func(t *testing.T) {
		other := s.register(`{"name":"web","type":"confidential","redirect_uris":["http://127.0.0.1/cb"]}`)
		b.get("/oauth2/authorize?"+authorizeQuery(other.ClientID, "redirect_uri", "http://127.0.0.1:9/cb").Encode()).want(t, http.StatusBadRequest)
	})
}

// TestAuthorizationErrors are told to the client (RFC 6749 §4.1.2.1).
func TestAuthorizationErrors(t *testing.T) {
	s := start(t)
	client := s.publicClient()
	_, b := s.person("ada@example.com")
	for name, test := range map[string]struct {
		change []string
		want   string
	}{
		"no response_type":  {[]string{"response_type", ""}, "invalid_request"},
		"implicit":          {[]string{"response_type", "token"}, "unsupported_response_type"},
		"hybrid":            {[]string{"response_type", "code id_token"}, "unsupported_response_type"},
		"fragment":          {[]string{"response_mode", "fragment"}, "invalid_request"},
		"request object":    {[]string{"request", "x"}, "request_not_supported"},
		"request URI":       {[]string{"request_uri", "urn:x"}, "request_uri_not_supported"},
		"scope not allowed": {[]string{"scope", "users:write"}, "invalid_scope"},
		"admin":             {[]string{"scope", "admin"}, "invalid_scope"},
		"malformed scope":   {[]string{"scope", "open\"id"}, "invalid_scope"},
		"resource":          {[]string{"resource", "https://api.example/"}, "invalid_target"},
		"prompt":            {[]string{"prompt", "dance"}, "invalid_request"},
		"max_age":           {[]string{"max_age", "-1"}, "invalid_request"},
		"huge nonce":        {[]string{"nonce", strings.Repeat("n", 5000)}, "invalid_request"},
	} {
		u, err := b.get("/oauth2/authorize?"+authorizeQuery(client.ClientID, test.change...).Encode()).want(t, http.StatusSeeOther).Location()
		if err != nil || u.Query().Get("error") != test.want || u.Query().Get("state") != "the state" || u.Query().Get("iss") != issuer {
			t.Errorf("%s: %s %v", name, u, err)
		}
	}
	u, _ := b.get("/oauth2/authorize?"+authorizeQuery(client.ClientID).Encode()+"&nonce=2").want(t, http.StatusSeeOther).Location()
	if u.Query().Get("error") != "invalid_request" {
		t.Errorf("a parameter that occurs twice: %s", u)
	}
	b.get("/oauth2/authorize?"+authorizeQuery("nobody").Encode()).want(t, http.StatusBadRequest)
	posted := b.post("/oauth2/authorize", authorizeQuery(client.ClientID), "Sec-Fetch-Site", "cross-site").want(t, http.StatusSeeOther)
	if !strings.HasPrefix(posted.Header.Get("Location"), "/oauth2/authorize?") {
		t.Errorf("POST leads to %s", posted.Header.Get("Location"))
	}
}

// TestTypeConfusion uses tokens where they do not belong (RFC 8725 §3.11).
func TestTypeConfusion(t *testing.T) {
	s := start(t)
	client := s.publicClient()
	account, b := s.person("ada@example.com")
	got := b.tokens(client.ClientID)
	internal, _, err := s.minter.Mint(identity.Principal{Kind: identity.KindUser, Subject: account.ID, ClientID: client.ClientID, Scopes: []string{"openid"}}, "gatehouse")
	if err != nil {
		t.Fatal(err)
	}
	payload := strings.Split(got.AccessToken, ".")[1]
	for name, token := range map[string]string{
		"ID token":      got.IDToken,
		"internal":      internal,
		"refresh token": got.RefreshToken,
		"alg none":      "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0." + payload + ".",
		"unsigned":      got.AccessToken[:strings.LastIndex(got.AccessToken, ".")+1],
	} {
		t.Run(name, func(t *testing.T) {
			b.do(http.MethodGet, "/oauth2/userinfo", nil, http.Header{"Authorization": {"Bearer " + token}}).want(t, http.StatusUnauthorized)
		})
	}
	// Inside, only internal tokens count.
	b.do(http.MethodGet, "/v1/sessions", nil, http.Header{"Authorization": {"Bearer " + got.AccessToken}}).want(t, http.StatusUnauthorized)
	b.redeem(refreshForm(client.ClientID, got.AccessToken), http.StatusBadRequest)
	machine := s.register(`{"name":"m","type":"confidential","grant_types":["client_credentials"],"scopes":["users:read"]}`)
	own := b.redeem(url.Values{"grant_type": {"client_credentials"}}, http.StatusOK, "Authorization", basic(machine.ClientID, machine.ClientSecret))
	b.do(http.MethodGet, "/oauth2/userinfo", nil, http.Header{"Authorization": {"Bearer " + own.AccessToken}}).want(t, http.StatusForbidden)
}

// TestOpenRedirect tries to leave through return_to (RFC 9700 §4.11).
func TestOpenRedirect(t *testing.T) {
	s := start(t)
	_, b := s.person("ada@example.com")
	for _, target := range []string{
		"https://evil.example/", "//evil.example/", `/\evil.example`, `\\evil.example`, "/oauth2/authorize@evil.example", "/oauth2/authorize/../../evil",
		"http:evil.example", "/account//evil.example", "/account\r\nX: y", "javascript:alert(1)", "/oauth2/authorize", " /account", "/logout", "/%2fevil.example",
		"/oauth2/authorize#@evil.example", "/.evil.example", "https://localhost:8080@evil.example/oauth2/authorize?x",
	} {
		to := b.post("/login", url.Values{"login": {"ada@example.com"}, "password": {goodPassword}, "return_to": {target}}).want(t, http.StatusSeeOther).Header.Get("Location")
		if to != "/account" {
			t.Errorf("return_to %q leads to %q", target, to)
		}
		page := b.get("/login?"+url.Values{"return_to": {target}}.Encode()).want(t, http.StatusOK)
		if strings.Contains(page.body, "evil") || !strings.Contains(page.body, `name="return_to" value=""`) {
			t.Errorf("return_to %q is in the page", target)
		}
	}
}

// TestCrossSite is CSRF and clickjacking (RFC 9700 §4.7, §4.16).
func TestCrossSite(t *testing.T) {
	s := start(t)
	_, b := s.person("ada@example.com")
	form := url.Values{"login": {"ada@example.com"}, "password": {goodPassword}}
	b.post("/login", form, "Sec-Fetch-Site", "cross-site").want(t, http.StatusForbidden)
	b.post("/login", form, "Origin", "https://evil.example").want(t, http.StatusForbidden)
	b.post("/login", form, "Origin", "null").want(t, http.StatusForbidden)
	b.post("/login", form, "Origin", issuer).want(t, http.StatusSeeOther)
	b.post("/login", form, "Sec-Fetch-Site", "same-origin", "Origin", "null").want(t, http.StatusSeeOther)
	for _, path := range []string{
		"/login", "/register", "/verify", "/setup", "/reset", "/reset?challenge=x", "/account", "/account/password", "/account/email", "/account/sessions",
	} {
		h := b.get(path).Header
		for name, want := range map[string]string{
			"Content-Security-Policy": "frame-ancestors 'none'", "X-Frame-Options": "DENY", "Cache-Control": "no-store", "Referrer-Policy": "same-origin",
			"X-Content-Type-Options": "nosniff",
		} {
			if !strings.Contains(h.Get(name), want) {
				t.Errorf("%s: %s is %q", path, name, h.Get(name))
			}
		}
	}
	page := b.get("/login")
	style := page.body[strings.Index(page.body, "<style>")+len("<style>") : strings.Index(page.body, "</style>")]
	sum := sha256.Sum256([]byte(style))
	if hash := base64.StdEncoding.EncodeToString(sum[:]); !strings.Contains(page.Header.Get("Content-Security-Policy"), "style-src 'sha256-"+hash+"'") {
		t.Error("browsers will refuse the page's own style sheet")
	}
	if page := b.get("/login?login_hint=" + url.QueryEscape(`"><script>x</script>`)); strings.Contains(page.body, "<script>") {
		t.Error("login_hint is not escaped")
	}
}

// TestSessionCookie checks its attributes and that a sign-in makes a new one.
func TestSessionCookie(t *testing.T) {
	s := start(t)
	_, b := s.person("ada@example.com")
	sign := func() *http.Cookie {
		resp := b.post("/login", url.Values{"login": {"ada@example.com"}, "password": {goodPassword}}).want(t, http.StatusSeeOther)
		if len(resp.Cookies()) != 2 || resp.Cookies()[1].Name != "gatehouse_device" {
			t.Fatalf("cookies: %v", resp.Cookies())
		}
		return resp.Cookies()[0]
	}
	first := sign()
	if first.Name != "gatehouse_session" || !first.HttpOnly || first.SameSite != http.SameSiteLaxMode || first.Path != "/" || first.Domain != "" {
		t.Errorf("cookie: %+v", first)
	}
	second := sign()
	stale := s.browser().do(http.MethodGet, "/account", nil, http.Header{"Cookie": {"gatehouse_session=" + first.Value}})
	if first.Value == second.Value || stale.StatusCode != http.StatusSeeOther {
		t.Error("the session from before the sign-in goes on")
	}
	var stored int
	if err := s.db.Pool.QueryRow(t.Context(), `SELECT count(*) FROM sessions WHERE cookie_hash = $1`, []byte(second.Value)).Scan(&stored); err != nil || stored != 0 {
		t.Errorf("the cookie is stored in the clear (%d, %v)", stored, err)
	}
}

// TestEndedAccount refuses refresh and sign-in of who may not act any more.
func TestEndedAccount(t *testing.T) {
	s := start(t)
	client := s.publicClient()
	account, b := s.person("ada@example.com")
	got := b.tokens(client.ClientID)
	code := b.code(client.ClientID)
	s.users.setDown(true)
	if answer := b.post("/oauth2/token", codeForm(client.ClientID, code)); answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("user service away: status %d: %s", answer.StatusCode, answer.body)
	}
	b.post("/login", url.Values{"login": {"ada@example.com"}, "password": {goodPassword}}).want(t, http.StatusServiceUnavailable)
	s.users.setDown(false)
	kept := b.redeem(codeForm(client.ClientID, code), http.StatusOK)

	s.users.change(account.ID, func(a *userapi.Account) { a.Status = userapi.StatusSuspended })
	b.redeem(refreshForm(client.ClientID, got.RefreshToken), http.StatusBadRequest)
	b.post("/login", url.Values{"login": {"ada@example.com"}, "password": {goodPassword}}).want(t, http.StatusForbidden)
	b.post("/login", url.Values{"login": {"ada@example.com"}, "password": {"wrong password"}}).want(t, http.StatusUnauthorized)
	s.users.change(account.ID, func(a *userapi.Account) { a.Status = userapi.StatusActive })
	b.redeem(refreshForm(client.ClientID, got.RefreshToken), http.StatusBadRequest) // it was revoked
	b.redeem(refreshForm(client.ClientID, kept.RefreshToken), http.StatusOK)
}
