package e2e

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// claimsOf reads a token's payload.
func claimsOf(t testing.TB, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("no token: %q", token)
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(text, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// awaitSubject returns the newest mail to address whose subject holds one of
// the words.
func (in *installation) awaitSubject(t testing.TB, address string, words ...string) mail {
	t.Helper()
	var found mail
	await(t, 30*time.Second, fmt.Sprintf("a mail about %v", words), func() error {
		all := in.mails(t, address)
		for _, m := range all {
			for _, word := range words {
				if strings.Contains(strings.ToLower(m.Subject), strings.ToLower(word)) {
					found = m
					return nil
				}
			}
		}
		return fmt.Errorf("of %d mails none", len(all))
	})
	return found
}

// linkTo returns the mail's link to a page.
func linkTo(t testing.TB, m mail, page string) *url.URL {
	t.Helper()
	for _, text := range m.Links {
		if link, err := url.Parse(text); err == nil && link.Path == page {
			return link
		}
	}
	t.Fatalf("no link to %s in %v", page, m.Links)
	return nil
}

func missionReset(t *testing.T, m *mission) {
	stranger := newBrowser(t, m.issuer)
	page := func(email string) string {
		t.Helper()
		status, _, body := call(t, stranger, http.MethodPost, m.issuer+"/reset", "", url.Values{"email": {email}})
		if status != http.StatusOK {
			t.Fatalf("ask for a reset: %d %s", status, body)
		}
		return strings.ReplaceAll(string(body), email, "")
	}
	linus := m.register(t, "linus@example.com")
	m.signIn(t, linus.browser, linus.email, password)
	before := m.tokensFor(t, linus, m.app, "openid offline_access")
	if page(linus.email) != page("nobody@example.com") {
		t.Error("the answers for a known and an unknown address differ")
	}
	link := linkTo(t, m.awaitSubject(t, linus.email, "password", "Passwort"), "/reset")
	const changed = "another good passphrase"
	form := link.Query()
	form.Set("password", changed)
	link.RawQuery = ""
	if status, _, body := call(t, stranger, http.MethodPost, link.String(), "", form); status != http.StatusOK {
		t.Fatalf("reset: %d %s", status, body)
	}
	if status, _, _ := call(t, stranger, http.MethodPost, link.String(), "", form); status < 400 {
		t.Error("the link works twice")
	}
	if status := m.signIn(t, newBrowser(t, m.issuer), linus.email, password); status == http.StatusOK {
		t.Error("the old password signs in")
	}
	if status := m.signIn(t, newBrowser(t, m.issuer), linus.email, changed); status != http.StatusOK {
		t.Errorf("the new password: %d", status)
	}
	status, _, body := call(t, http.DefaultClient, http.MethodPost, m.issuer+"/oauth2/token", "", url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {before.RefreshToken}, "client_id": {m.app},
	})
	if status != http.StatusBadRequest {
		t.Errorf("a refresh token from before: %d %s", status, body)
	}
	await(t, waitRevoked, "the tokens from before end", func() error {
		return expectStatus(t, http.MethodGet, m.issuer+"/v1/me", before.AccessToken, http.StatusUnauthorized)
	})
}

func missionAddress(t *testing.T, m *mission) {
	kim := m.register(t, "kim@example.com")
	m.signIn(t, kim.browser, kim.email, password)
	form := url.Values{"email": {"kim.new@example.com"}, "password": {password}}
	if status, _, body := call(t, kim.browser, http.MethodPost, m.issuer+"/account/email", "", form); status != http.StatusOK {
		t.Fatalf("ask for the change: %d %s", status, body)
	}
	proof := m.awaitMail(t, "kim.new@example.com", 1)
	m.awaitMail(t, kim.email, 2) // the old address is warned
	m.followVerification(t, newBrowser(t, m.issuer), proof)
	if status := m.signIn(t, newBrowser(t, m.issuer), "kim.new@example.com", password); status != http.StatusOK {
		t.Errorf("sign in with the new address: %d", status)
	}
	if status := m.signIn(t, newBrowser(t, m.issuer), kim.email, password); status == http.StatusOK {
		t.Error("the old address signs in")
	}
	m.awaitMail(t, kim.email, 3) // and told
}

func missionDevice(t *testing.T, m *mission) {
	count := len(m.mails(t, m.ada.email))
	m.refreshAda(t) // a device that it knows
	if status := m.signIn(t, newBrowser(t, m.issuer), m.ada.email, password); status != http.StatusOK {
		t.Fatalf("sign in: %d", status)
	}
	m.awaitMail(t, m.ada.email, count+1)
	if all := m.mails(t, m.ada.email); len(all) != count+1 {
		t.Errorf("%d mails for one new device", len(all)-count)
	}
}

func missionMessages(t *testing.T, m *mission) {
	body := `{"template":"notice","user_id":"` + m.adaID + `","data":{"title":"Your invoice","text":"It is ready.","link":"https://shop.example.com/1"}}`
	sent := m.want(t, http.StatusAccepted, "POST", "/v1/messages", m.admin, body, "Idempotency-Key", "invoice-1")
	if again := m.send(t, "POST", "/v1/messages", m.admin, body, "Idempotency-Key", "invoice-1"); again.status/100 != 2 || !strings.Contains(string(again.body), sent["id"].(string)) {
		t.Errorf("again with the key: %d %s", again.status, again.body)
	}
	m.awaitSubject(t, m.ada.email, "Your invoice")
	message := "/v1/messages/" + sent["id"].(string)
	await(t, 10*time.Second, "the message is sent", func() error {
		if got := m.want(t, http.StatusOK, "GET", message, m.admin, ""); got["state"] != "sent" {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	m.want(t, http.StatusForbidden, "POST", "/v1/messages", m.token, body)
	m.want(t, http.StatusUnprocessableEntity, "POST", "/v1/messages", m.admin, `{"template":"reset_password","user_id":"`+m.adaID+`"}`)
	// An address that is suppressed gets nothing, and the message says so.
	m.want(t, http.StatusCreated, "POST", "/v1/messages/suppressions", m.admin, `{"address":"gone@example.com"}`)
	kept := m.want(t, http.StatusAccepted, "POST", "/v1/messages", m.admin, `{"template":"notice","to":"Gone@example.com","data":{"title":"x","text":"y"}}`)
	await(t, 10*time.Second, "the message is suppressed", func() error {
		if got := m.want(t, http.StatusOK, "GET", "/v1/messages/"+kept["id"].(string), m.admin, ""); got["state"] != "suppressed" {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	if got := names(m.want(t, http.StatusOK, "GET", "/v1/templates", m.admin, "")["items"], "name"); !slices.Contains(got, "notice") || !slices.Contains(got, "verify_email") {
		t.Errorf("templates %v", got)
	}
}

// stream reads server-sent events until ctx is done.
func (m *mission) stream(ctx context.Context, t *testing.T, token string) (events <-chan string, ended <-chan struct{}) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.issuer+"/v1/notifications/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		t.Fatalf("stream: %s %s", res.Status, res.Header.Get("Content-Type"))
	}
	lines, over := make(chan string, 100), make(chan struct{})
	go func() {
		defer close(over)
		defer res.Body.Close()
		scanner := bufio.NewScanner(res.Body)
		for scanner.Scan() {
			lines <- scanner.Text()
		}
	}()
	return lines, over
}

func missionNotifications(t *testing.T, m *mission) {
	lines, _ := m.stream(t.Context(), t, m.token)
	made := m.want(t, http.StatusCreated, "POST", "/v1/notifications", m.admin,
		`{"user_id":"`+m.adaID+`","category":"product","title":"A new report","body":"It waits for you.","link":"https://shop.example.com/r"}`)
	id := made["id"].(string)
	await(t, 10*time.Second, "the notification arrives live", func() error {
		for {
			select {
			case line := <-lines:
				if strings.HasPrefix(line, "data:") && strings.Contains(line, "A new report") {
					return nil
				}
			default:
				return errors.New("not yet")
			}
		}
	})
	unread := func() float64 {
		t.Helper()
		return m.want(t, http.StatusOK, "GET", "/v1/notifications/unread-count", m.token, "")["unread"].(float64)
	}
	before := unread()
	m.want(t, http.StatusOK, "POST", "/v1/notifications/"+id+"/read", m.token, "{}")
	if got := unread(); got != before-1 {
		t.Errorf("%v unread after reading one of %v", got, before)
	}
	list := m.want(t, http.StatusOK, "GET", "/v1/notifications", m.token, "")
	if titles := names(list["items"], "title"); !slices.Contains(titles, "A new report") || len(titles) < 2 {
		t.Errorf("inbox %v: the new device of before is missing", titles)
	}
	m.want(t, http.StatusUnprocessableEntity, "PATCH", "/v1/notifications/preferences", m.token, `{"categories":{"security":{"email":false}}}`)
	m.want(t, http.StatusOK, "PATCH", "/v1/notifications/preferences", m.token, `{"categories":{"product":{"email":false,"in_app":true}}}`)
	m.want(t, http.StatusForbidden, "POST", "/v1/notifications", m.token, `{}`)
	m.want(t, http.StatusOK, "POST", "/v1/notifications/read", m.token, "{}")
	if got := unread(); got != 0 {
		t.Errorf("%v unread after reading all", got)
	}
}
