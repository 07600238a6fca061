package app_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/jose"
)

// TestFirstWalk is the path of the README: register, mail, verify, sign in,
// authorize, redeem, ask who one is, refresh.
func TestFirstWalk(t *testing.T) {
	s := start(t)
	client := s.publicClient()
	b := s.browser()
	authorize := "/oauth2/authorize?" + authorizeQuery(client.ClientID).Encode()

	login, err := b.get(authorize).want(t, http.StatusSeeOther).Location()
	if err != nil {
		t.Fatal(err)
	}
	returnTo := login.Query().Get("return_to")
	if login.Path != "/login" || !strings.HasPrefix(returnTo, "/oauth2/authorize?") {
		t.Fatalf("not signed in: sent to %s", login)
	}
	b.get(login.RequestURI()).want(t, http.StatusOK)
	b.post("/register", url.Values{"email": {"ada@example.com"}, "username": {"ada"}, "password": {goodPassword}, "return_to": {returnTo}}).want(t, http.StatusOK)
	account := s.users.byLogin("ada@example.com")
	if account.Status != userapi.StatusPending || account.Username != "ada" {
		t.Fatalf("account after registration: %+v", account)
	}
	link := s.challengeOf(account.ID)
	scanner := s.browser() // that of nobody who registered
	for range 3 {          // a mail scanner looks at the link
		page := scanner.get("/verify?"+link.Encode()).want(t, http.StatusOK)
		if !strings.Contains(page.body, `action="/verify"`) {
			t.Fatalf("no form in %s", page.body)
		}
	}
	if s.users.byLogin("ada").EmailVerified {
		t.Fatal("GET verified the address")
	}
	followed := b.get("/verify?"+link.Encode()).want(t, http.StatusOK)
	if !s.users.byLogin("ada").EmailVerified || !strings.Contains(followed.body, "/login?return_to=") {
		t.Fatalf("the link did not verify the address where it was asked for: %s", followed.body)
	}
	b.get("/verify?"+link.Encode()).want(t, http.StatusOK) // a reload
	scanner.post("/verify", link).want(t, http.StatusGone)
	b.post("/verify", link).want(t, http.StatusGone)

	signedIn := b.post("/login", url.Values{"login": {"ADA"}, "password": {goodPassword}, "return_to": {returnTo}}).want(t, http.StatusSeeOther)
	if got := signedIn.Header.Get("Location"); got != returnTo {
		t.Fatalf("after sign-in to %q, want %q", got, returnTo)
	}
	back, err := b.get(signedIn.Header.Get("Location")).want(t, http.StatusSeeOther).Location()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(back.String(), callback+"?") || back.Query().Get("state") != "the state" || back.Query().Get("iss") != issuer {
		t.Fatalf("authorization response %s", back)
	}
	got := b.redeem(codeForm(client.ClientID, back.Query().Get("code")), http.StatusOK)
	checkTokens(t, got, client.ClientID, account.ID)

	var info map[string]any
	b.do(http.MethodGet, "/oauth2/userinfo", nil, http.Header{"Authorization": {"Bearer " + got.AccessToken}}).want(t, http.StatusOK).into(t, &info)
	if info["sub"] != account.ID || info["email"] != "ada@example.com" || info["email_verified"] != true || info["preferred_username"] != "ada" || info["given_name"] != "Ada" {
		t.Errorf("userinfo: %v", info)
	}
	if _, ok := info["phone_number"]; ok {
		t.Error("userinfo holds a claim that no scope asked for")
	}
	b.post("/oauth2/userinfo", url.Values{"access_token": {got.AccessToken}}).want(t, http.StatusOK)

	again := b.redeem(refreshForm(client.ClientID, got.RefreshToken), http.StatusOK)
	if again.RefreshToken == got.RefreshToken || again.RefreshToken == "" || again.Scope != got.Scope {
		t.Errorf("refresh: %+v", again)
	}
	if _, payload := claims(t, again.IDToken); payload["nonce"] != nil {
		t.Error("an ID token of a refresh has a nonce (OpenID Connect Core §12.2)")
	}
}

func checkTokens(t *testing.T, got tokens, clientID, userID string) {
	t.Helper()
	if got.TokenType != "Bearer" || got.ExpiresIn != 300 || got.Scope != "openid profile email users:read" || got.RefreshToken == "" {
		t.Errorf("token response: %+v", got)
	}
	header, access := claims(t, got.AccessToken)
	if header["typ"] != "at+jwt" || header["alg"] != "ES256" || header["kid"] == "" {
		t.Errorf("access token header: %v", header)
	}
	for name, want := range map[string]any{"iss": issuer, "sub": userID, "client_id": clientID, "scope": got.Scope} {
		if access[name] != want {
			t.Errorf("access token %s = %v, want %v", name, access[name], want)
		}
	}
	if aud, ok := access["aud"].([]any); !ok || len(aud) != 1 || aud[0] != "gatehouse" {
		t.Errorf("access token aud = %v", access["aud"])
	}
	for _, name := range []string{"jti", "sid", "auth_time", "exp", "iat"} {
		if access[name] == nil {
			t.Errorf("access token has no %s", name)
		}
	}
	_, id := claims(t, got.IDToken)
	if id["nonce"] != "the nonce" || id["aud"] != clientID || id["sub"] != userID || id["sid"] != access["sid"] || id["at_hash"] == nil || id["auth_time"] == nil {
		t.Errorf("ID token: %v", id)
	}
}

// TestPublishedKeysVerify checks a token with what the JWKS endpoint publishes,
// asked for as other services do.
func TestPublishedKeysVerify(t *testing.T) {
	s := start(t)
	_, b := s.person("ada@example.com")
	got := b.tokens(s.publicClient().ClientID)
	s.as("user")
	raw, err := s.authapi().JWKS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(raw), `"d"`) {
		t.Fatalf("private key published: %s", raw)
	}
	set, err := jose.ParseJWKS(raw)
	if err != nil {
		t.Fatal(err)
	}
	expect := jose.Expect{Issuer: issuer, Audience: []string{"gatehouse"}, Types: []string{"at+jwt"}}
	if _, err := jose.Verify(context.Background(), got.AccessToken, set, expect); err != nil {
		t.Error(err)
	}
	if _, err := jose.Verify(context.Background(), got.IDToken, set, expect); err == nil {
		t.Error("an ID token passed for an access token")
	}
}

// TestDiscovery asks each advertised endpoint and finds none missing.
func TestDiscovery(t *testing.T) {
	s := start(t)
	b := s.browser()
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"} {
		var doc map[string]any
		b.do(http.MethodGet, path, nil, http.Header{"X-Forwarded-Host": {"evil.example"}}).want(t, http.StatusOK).into(t, &doc)
		if doc["issuer"] != issuer {
			t.Errorf("%s: issuer %v", path, doc["issuer"])
		}
		for name, value := range doc {
			text, ok := value.(string)
			if !ok || name == "issuer" {
				continue
			}
			local, ok := strings.CutPrefix(text, issuer)
			if !ok {
				t.Errorf("%s = %s is not below the issuer", name, text)
			}
			if got := b.get(local).StatusCode; got == http.StatusNotFound {
				t.Errorf("%s = %s is not there", name, text)
			}
		}
	}
	var resource map[string]any
	b.get("/.well-known/oauth-protected-resource").want(t, http.StatusOK).into(t, &resource)
	if resource["resource"] != issuer {
		t.Errorf("protected resource: %v", resource)
	}
}

// TestPrompt is OpenID Connect Core §3.1.2.1: prompt, max_age and login_hint.
func TestPrompt(t *testing.T) {
	s := start(t)
	client := s.publicClient()
	location := func(b *browser, change ...string) *url.URL {
		u, err := b.get("/oauth2/authorize?"+authorizeQuery(client.ClientID, change...).Encode()).want(t, http.StatusSeeOther).Location()
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	if u := location(s.browser(), "prompt", "none"); u.Query().Get("error") != "login_required" || u.Query().Get("state") != "the state" || u.Query().Get("iss") != issuer {
		t.Errorf("prompt=none of a stranger: %s", u)
	}
	if u := location(s.browser(), "login_hint", "ada"); u.Query().Get("login_hint") != "ada" {
		t.Errorf("login_hint got lost: %s", u)
	}
	_, b := s.person("ada@example.com")
	if u := location(b, "prompt", "none"); u.Query().Get("code") == "" {
		t.Errorf("prompt=none of a person: %s", u)
	}
	if u := location(b, "prompt", "none login"); u.Query().Get("error") != "invalid_request" {
		t.Errorf("prompt=none login: %s", u)
	}
	for _, change := range [][]string{{"prompt", "login"}, {"max_age", "0"}} {
		u := location(b, change...)
		if u.Path != "/login" {
			t.Fatalf("%v: %s", change, u)
		}
		back := b.post("/login", url.Values{"login": {"ada@example.com"}, "password": {goodPassword}, "return_to": {u.Query().Get("return_to")}}).want(t, http.StatusSeeOther)
		if u, err := b.get(back.Header.Get("Location")).want(t, http.StatusSeeOther).Location(); err != nil || u.Query().Get("code") == "" {
			t.Errorf("%v: no code after signing in again: %s", change, u)
		}
	}
	s.advance(2 * 60e9)
	if u := location(b, "max_age", "60"); u.Path != "/login" {
		t.Errorf("max_age=60 after two minutes: %s", u)
	}
	if u := location(b, "max_age", "600"); u.Query().Get("code") == "" {
		t.Errorf("max_age=600 after two minutes: %s", u)
	}
}

// TestAccountAndSignOut walks from the account page to the end of the session.
func TestAccountAndSignOut(t *testing.T) {
	s := start(t)
	client := s.publicClient()
	_, b := s.person("ada@example.com")
	got := b.tokens(client.ClientID)
	offline := b.tokens(client.ClientID, "scope", "openid offline_access")
	page := b.get("/account").want(t, http.StatusOK)
	if !strings.Contains(page.body, "ada@example.com") {
		t.Errorf("account page: %s", page.body)
	}
	if ask := b.get("/oauth2/logout").want(t, http.StatusOK); !strings.Contains(ask.body, `action="/oauth2/logout"`) {
		t.Errorf("a GET without proof must ask: %s", ask.body)
	}
	b.get("/account").want(t, http.StatusOK)
	b.post("/oauth2/logout", nil, "Sec-Fetch-Site", "cross-site").want(t, http.StatusSeeOther)
	b.get("/account").want(t, http.StatusOK)
	b.post("/oauth2/logout", nil).want(t, http.StatusOK)
	if to := b.get("/account").want(t, http.StatusSeeOther).Header.Get("Location"); !strings.HasPrefix(to, "/login") {
		t.Errorf("account page after sign-out leads to %s", to)
	}
	b.redeem(refreshForm(client.ClientID, got.RefreshToken), http.StatusBadRequest)
	b.do(http.MethodGet, "/oauth2/userinfo", nil, http.Header{"Authorization": {"Bearer " + got.AccessToken}}).want(t, http.StatusUnauthorized)
	lasting := b.redeem(refreshForm(client.ClientID, offline.RefreshToken), http.StatusOK)
	if _, payload := claims(t, lasting.AccessToken); payload["sid"] != nil {
		t.Error("an access token names a session that is over")
	}
	b.do(http.MethodGet, "/oauth2/userinfo", nil, http.Header{"Authorization": {"Bearer " + lasting.AccessToken}}).want(t, http.StatusOK)
}

// TestClientSignsOut is RP-initiated logout with an ID token.
func TestClientSignsOut(t *testing.T) {
	s := start(t)
	client := s.register(`{"name":"demo","type":"public","redirect_uris":["` + callback + `"],"post_logout_redirect_uris":["http://localhost:3000/bye"]}`)
	_, b := s.person("ada@example.com")
	got := b.tokens(client.ClientID)
	s.advance(3600e9) // the hint has expired by now
	query := url.Values{"id_token_hint": {got.IDToken}, "post_logout_redirect_uri": {"http://localhost:3000/bye"}, "state": {"x y"}}
	if to := b.get("/oauth2/logout?"+query.Encode()).want(t, http.StatusSeeOther).Header.Get("Location"); to != "http://localhost:3000/bye?state=x+y" {
		t.Errorf("sent to %s", to)
	}
	b.get("/account").want(t, http.StatusSeeOther)
	query.Set("post_logout_redirect_uri", "http://evil.example/")
	b.get("/oauth2/logout?"+query.Encode()).want(t, http.StatusOK)
}
