package e2e

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

const password = "correct horse battery staple"

// redirectURI is where the test's client waits for its code.
const redirectURI = "http://localhost:3000/callback"

// call sends a request and returns status, header and body; in is sent as JSON
// unless it is url.Values or nil.
func call(t testing.TB, c *http.Client, method, target, bearer string, in any) (int, http.Header, []byte) {
	t.Helper()
	var body io.Reader
	contentType := ""
	switch v := in.(type) {
	case nil:
	case url.Values:
		body, contentType = strings.NewReader(v.Encode()), "application/x-www-form-urlencoded"
	default:
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		body, contentType = bytes.NewReader(text), "application/json"
	}
	req, err := http.NewRequestWithContext(t.Context(), method, target, body)
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	return res.StatusCode, res.Header, answer
}

// want fails unless status is as wanted, and decodes the body.
func want[T any](t testing.TB, status, wanted int, body []byte) T {
	t.Helper()
	var v T
	if status != wanted {
		t.Fatalf("status %d, want %d: %s", status, wanted, body)
	}
	if len(body) > 0 {
		if err := json.Unmarshal(body, &v); err != nil {
			t.Fatalf("%v in %s", err, body)
		}
	}
	return v
}

// tokens is the answer of the token endpoint.
type tokens struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token"`
	Scope        string `json:"scope"`
	ExpiresIn    int    `json:"expires_in"`
}

// adminToken signs in as the bootstrap client.
func (in *installation) adminToken(t testing.TB) string {
	t.Helper()
	return in.clientToken(t, in.clientID, in.clientSecret, "admin")
}

// clientToken asks for a token by client_credentials.
func (in *installation) clientToken(t testing.TB, id, secret, scope string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, in.issuer+"/oauth2/token",
		strings.NewReader(url.Values{"grant_type": {"client_credentials"}, "scope": {scope}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(id, secret)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return want[tokens](t, res.StatusCode, http.StatusOK, body).AccessToken
}

// publicClient registers a client that has no secret.
func (in *installation) publicClient(t testing.TB, redirectURI string) string {
	t.Helper()
	status, _, body := call(t, http.DefaultClient, http.MethodPost, in.issuer+"/v1/clients", in.adminToken(t), map[string]any{
		"name": "e2e", "type": "public", "redirect_uris": []string{redirectURI},
	})
	return want[struct {
		ClientID string `json:"client_id"`
	}](t, status, http.StatusCreated, body).ClientID
}

// mail is one message in the development mailbox.
type mail struct {
	To      any      `json:"to"`
	Subject string   `json:"subject"`
	Text    string   `json:"text"`
	HTML    string   `json:"html"`
	Links   []string `json:"links"`
}

// mails returns what was sent to address, newest first.
func (in *installation) mails(t testing.TB, address string) []mail {
	t.Helper()
	status, _, body := call(t, http.DefaultClient, http.MethodGet, in.issuer+"/dev/mailbox?to="+url.QueryEscape(address), "", nil)
	return want[struct{ Items []mail }](t, status, http.StatusOK, body).Items
}

// awaitMail returns the newest mail to address once there are n of them.
func (in *installation) awaitMail(t testing.TB, address string, n int) mail {
	t.Helper()
	var all []mail
	await(t, 30*time.Second, "mail to "+address, func() error {
		if all = in.mails(t, address); len(all) < n {
			return fmt.Errorf("%d mails, want %d", len(all), n)
		}
		return nil
	})
	return all[0]
}

// person is somebody with a browser.
type person struct {
	email   string
	browser *http.Client
}

// register signs a person up and verifies the address.
func (in *installation) register(t testing.TB, email string) *person {
	t.Helper()
	p := &person{email: email, browser: newBrowser(t, in.issuer)}
	status, _, body := call(t, p.browser, http.MethodPost, in.issuer+"/register", "", url.Values{"email": {email}, "password": {password}})
	if status != http.StatusOK {
		t.Fatalf("register: %d %s", status, body)
	}
	m := in.awaitMail(t, email, 1)
	in.followVerification(t, p.browser, m)
	return p
}

// followVerification opens the mail's link and presses its button, if there is
// one.
func (in *installation) followVerification(t testing.TB, browser *http.Client, m mail) {
	t.Helper()
	link := linkTo(t, m, "/verify")
	status, _, page := call(t, browser, http.MethodGet, link.String(), "", nil)
	if status != http.StatusOK {
		t.Fatalf("open verification link: %d %s", status, page)
	}
	if !bytes.Contains(page, []byte("<form")) {
		return // the browser in which the person registered
	}
	form := link.Query()
	link.RawQuery = ""
	if status, _, body := call(t, browser, http.MethodPost, link.String(), "", form); status != http.StatusOK {
		t.Fatalf("verify: %d %s", status, body)
	}
}

// signIn enters address (or username) and password.
func (in *installation) signIn(t testing.TB, browser *http.Client, login, secret string) int {
	t.Helper()
	status, _, _ := call(t, browser, http.MethodPost, in.issuer+"/login", "", url.Values{"login": {login}, "password": {secret}})
	return status
}

// pkce is a code verifier and its S256 challenge (RFC 7636 §4).
func pkce() (verifier, challenge string) {
	verifier = rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(verifier))
	return verifier, base64.RawURLEncoding.EncodeToString(sum[:])
}

// authorize asks for a code as a signed-in person; it returns the redirect.
func (in *installation) authorize(t testing.TB, browser *http.Client, clientID, challenge, scope string) url.Values {
	t.Helper()
	q := url.Values{
		"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {redirectURI}, "scope": {scope},
		"state": {"state-1"}, "nonce": {"nonce-1"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}
	status, header, body := call(t, browser, http.MethodGet, in.issuer+"/oauth2/authorize?"+q.Encode(), "", nil)
	if status/100 != 3 || !strings.HasPrefix(header.Get("Location"), redirectURI) {
		t.Fatalf("authorize: %d %s %s", status, header.Get("Location"), body)
	}
	u, err := url.Parse(header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

const personScope = "openid profile email offline_access users:read users:write"

// tokens walks authorization code with PKCE to the end.
func (in *installation) tokens(t testing.TB, p *person, clientID string) tokens {
	t.Helper()
	return in.tokensFor(t, p, clientID, personScope)
}

// tokensFor is tokens with other scopes.
func (in *installation) tokensFor(t testing.TB, p *person, clientID, scope string) tokens {
	t.Helper()
	verifier, challenge := pkce()
	answer := in.authorize(t, p.browser, clientID, challenge, scope)
	if answer.Get("state") != "state-1" || answer.Get("iss") != in.issuer || answer.Get("code") == "" {
		t.Fatalf("authorization answer: %v", answer)
	}
	status, _, body := call(t, http.DefaultClient, http.MethodPost, in.issuer+"/oauth2/token", "", url.Values{
		"grant_type": {"authorization_code"}, "code": {answer.Get("code")}, "redirect_uri": {redirectURI},
		"client_id": {clientID}, "code_verifier": {verifier},
	})
	return want[tokens](t, status, http.StatusOK, body)
}
