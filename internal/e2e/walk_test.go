package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// The tests of this file share one installation; each uses people of its own.
func TestWalk(t *testing.T) {
	in := dev(t, dataFolder(t))
	clientID := in.publicClient(t, redirectURI)
	t.Run("person", func(t *testing.T) { walkPerson(t, in, clientID) })
	t.Run("known address", func(t *testing.T) { walkKnownAddress(t, in) })
	t.Run("refresh rotation", func(t *testing.T) { walkRefresh(t, in, clientID) })
	t.Run("introspection and revocation", func(t *testing.T) { walkRevocation(t, in) })
	t.Run("discovery", func(t *testing.T) { walkDiscovery(t, in) })
	t.Run("no credentials", func(t *testing.T) { walkWithoutCredentials(t, in) })
	t.Run("edge", func(t *testing.T) { walkEdge(t, in) })
	t.Run("cors and limits", func(t *testing.T) { walkCORS(t, in) })
	t.Run("validation", func(t *testing.T) { walkValidation(t, in) })
	t.Run("API key", func(t *testing.T) { walkAPIKey(t, in) })
	t.Run("setup", func(t *testing.T) { walkSetup(t, in) })
	t.Run("usernames", func(t *testing.T) { walkUsername(t, in, clientID) })
	t.Run("https", func(t *testing.T) { walkHTTPS(t, in) })
	t.Run("command line", func(t *testing.T) { walkCLI(t, in) })
	t.Run("pages", func(t *testing.T) { walkPages(t, in) })
}

func walkPerson(t *testing.T, in *installation, clientID string) {
	p := in.register(t, "ada@example.com")
	if m := in.mails(t, p.email)[0]; m.Text == "" || m.HTML == "" || m.Subject == "" {
		t.Errorf("the mail lacks a subject, text or HTML: %+v", m)
	}
	if status := in.signIn(t, p.browser, p.email, "wrong "+password); status == http.StatusOK {
		t.Error("a wrong password signs in")
	}
	if status := in.signIn(t, p.browser, p.email, password); status != http.StatusOK {
		t.Fatalf("sign in: %d", status)
	}
	got := in.tokens(t, p, clientID)
	if got.TokenType != "Bearer" || got.IDToken == "" || got.RefreshToken == "" || got.ExpiresIn <= 0 || got.ExpiresIn > 300 {
		t.Errorf("token answer: %+v", got)
	}

	status, _, body := call(t, http.DefaultClient, http.MethodGet, in.issuer+"/v1/me", got.AccessToken, nil)
	me := want[struct {
		ID, Email, Status string
		EmailVerified     bool `json:"email_verified"`
	}](t, status, http.StatusOK, body)
	if me.Email != p.email || !me.EmailVerified || me.Status != "active" {
		t.Errorf("me: %+v", me)
	}

	profile := in.issuer + "/v1/users/" + me.ID + "/profile"
	status, _, body = call(t, http.DefaultClient, http.MethodPatch, profile, got.AccessToken, map[string]any{"name": "Ada Lovelace", "locale": "en"})
	want[map[string]any](t, status, http.StatusOK, body)
	status, header, body := call(t, http.DefaultClient, http.MethodGet, profile, got.AccessToken, nil)
	if read := want[map[string]any](t, status, http.StatusOK, body); read["name"] != "Ada Lovelace" {
		t.Errorf("profile: %s", body)
	}
	if header.Get("ETag") == "" {
		t.Error("profile without ETag")
	}

	status, _, body = call(t, http.DefaultClient, http.MethodGet, in.issuer+"/oauth2/userinfo", got.AccessToken, nil)
	info := want[map[string]any](t, status, http.StatusOK, body)
	if info["sub"] != me.ID || info["email"] != p.email || info["name"] != "Ada Lovelace" {
		t.Errorf("userinfo: %s", body)
	}

	// Another person's data stays out of reach, whatever the scope says.
	other := in.register(t, "bob@example.com")
	in.signIn(t, other.browser, other.email, password)
	bob := in.tokens(t, other, clientID)
	status, _, _ = call(t, http.DefaultClient, http.MethodGet, profile, bob.AccessToken, nil)
	if status != http.StatusForbidden && status != http.StatusNotFound {
		t.Errorf("bob reads ada's profile: %d", status)
	}
	status, _, _ = call(t, http.DefaultClient, http.MethodGet, in.issuer+"/v1/users", bob.AccessToken, nil)
	if status != http.StatusForbidden {
		t.Errorf("bob lists users: %d", status)
	}
}

// Registering a known address looks the same; only the mail differs.
func walkKnownAddress(t *testing.T, in *installation) {
	form := url.Values{"email": {"carol@example.com"}, "password": {password}}
	browser := newBrowser(t, in.issuer)
	firstStatus, _, first := call(t, browser, http.MethodPost, in.issuer+"/register", "", form)
	in.followVerification(t, browser, in.awaitMail(t, "carol@example.com", 1))
	form.Set("email", "Carol@Example.com")
	secondStatus, _, second := call(t, newBrowser(t, in.issuer), http.MethodPost, in.issuer+"/register", "", form)
	same := strings.ReplaceAll(string(second), "Carol@Example.com", "carol@example.com")
	if firstStatus != secondStatus || string(first) != same {
		t.Errorf("the answers differ: %d %s\n%d %s", firstStatus, first, secondStatus, second)
	}
	if m := in.awaitMail(t, "carol@example.com", 2); m.Subject == in.mails(t, "carol@example.com")[1].Subject {
		t.Errorf("the mails are the same: %q", m.Subject)
	}
	status, _, body := call(t, http.DefaultClient, http.MethodPost, in.issuer+"/v1/users", in.adminToken(t), map[string]any{"email": "CAROL@example.com"})
	if status != http.StatusConflict {
		t.Errorf("administrators' API: %d %s", status, body)
	}
}

func walkRefresh(t *testing.T, in *installation, clientID string) {
	p := in.register(t, "dan@example.com")
	in.signIn(t, p.browser, p.email, password)
	first := in.tokens(t, p, clientID)
	refresh := func(token string) (int, []byte) {
		status, _, body := call(t, http.DefaultClient, http.MethodPost, in.issuer+"/oauth2/token", "", url.Values{
			"grant_type": {"refresh_token"}, "refresh_token": {token}, "client_id": {clientID},
		})
		return status, body
	}
	status, body := refresh(first.RefreshToken)
	second := want[tokens](t, status, http.StatusOK, body)
	if second.RefreshToken == "" || second.RefreshToken == first.RefreshToken {
		t.Error("the refresh token was not rotated")
	}
	status, body = refresh(second.RefreshToken)
	third := want[tokens](t, status, http.StatusOK, body)
	// The first one has a used successor: its replay ends the whole family.
	if status, body = refresh(first.RefreshToken); status != http.StatusBadRequest {
		t.Errorf("replay: %d %s", status, body)
	}
	if status, body = refresh(third.RefreshToken); status != http.StatusBadRequest {
		t.Errorf("the family outlives a replay: %d %s", status, body)
	}
}

func walkRevocation(t *testing.T, in *installation) {
	status, _, body := call(t, http.DefaultClient, http.MethodPost, in.issuer+"/v1/clients", in.adminToken(t), map[string]any{
		"name": "service", "type": "confidential", "grant_types": []string{"client_credentials"}, "scopes": []string{"users:read"},
	})
	made := want[struct {
		ClientID     string `json:"client_id"`
		ClientSecret string `json:"client_secret"`
	}](t, status, http.StatusCreated, body)
	token := in.clientToken(t, made.ClientID, made.ClientSecret, "users:read")
	users := in.issuer + "/v1/users?limit=1"
	if status, _, body = call(t, http.DefaultClient, http.MethodGet, users, token, nil); status != http.StatusOK {
		t.Fatalf("list: %d %s", status, body)
	}
	if status, _, body = call(t, http.DefaultClient, http.MethodPost, in.issuer+"/v1/users", token, map[string]any{"email": "x@example.com"}); status != http.StatusForbidden {
		t.Errorf("write with users:read: %d %s", status, body)
	}
	form := url.Values{"token": {token}, "client_id": {made.ClientID}, "client_secret": {made.ClientSecret}}
	post := func(path string) (int, map[string]any) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, in.issuer+path, strings.NewReader(url.Values{"token": form["token"]}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.SetBasicAuth(made.ClientID, made.ClientSecret)
		return do(t, req)
	}
	if _, answer := post("/oauth2/introspect"); answer["active"] != true || answer["client_id"] != made.ClientID {
		t.Errorf("introspection: %v", answer)
	}
	if status, answer := post("/oauth2/revoke"); status != http.StatusOK {
		t.Errorf("revocation: %d %v", status, answer)
	}
	if _, answer := post("/oauth2/introspect"); answer["active"] != false {
		t.Errorf("introspection after revocation: %v", answer)
	}
	await(t, waitRevoked, "the gateway refuses the revoked token", func() error {
		return expectStatus(t, http.MethodGet, users, token, http.StatusUnauthorized)
	})
}

func walkDiscovery(t *testing.T, in *installation) {
	for _, name := range []string{"openid-configuration", "oauth-authorization-server", "oauth-protected-resource"} {
		status, _, body := call(t, http.DefaultClient, http.MethodGet, in.issuer+"/.well-known/"+name, "", nil)
		doc := want[map[string]any](t, status, http.StatusOK, body)
		if name != "oauth-protected-resource" && doc["issuer"] != in.issuer {
			t.Errorf("%s: issuer %v", name, doc["issuer"])
		}
	}
	status, _, body := call(t, http.DefaultClient, http.MethodGet, in.issuer+"/oauth2/jwks", "", nil)
	set := want[struct{ Keys []map[string]any }](t, status, http.StatusOK, body)
	if len(set.Keys) == 0 || set.Keys[0]["d"] != nil || set.Keys[0]["alg"] != "ES256" {
		t.Errorf("jwks: %s", body)
	}
	for path, wanted := range map[string]int{"/": 200, "/healthz": 200, "/readyz": 200, "/login": 200, "/register": 200, "/v1/openapi.json": 200} {
		if err := expectStatus(t, http.MethodGet, in.issuer+path, "", wanted); err != nil {
			t.Error(err)
		}
	}
}
