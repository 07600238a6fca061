package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestTwoOfEach runs two processes of each part behind balancers, and kills one
// of each under way: whoever is left does the work.
func TestTwoOfEach(t *testing.T) {
	c := newCluster(t, binary, 2, "email: {dev_mailbox: true}\n")
	m := &mission{installation: c.installation, admin: c.adminToken(t)}
	m.app = m.client(t, map[string]any{"name": "all", "type": "public", "redirect_uris": []string{redirectURI}, "scopes": strings.Fields(everyScope)}).ID
	exercise(t, m, "before")
	for i, part := range services {
		t.Run(part+" dies", func(t *testing.T) {
			c.kill(part, i%2)
			exercise(t, m, part)
			c.start(part, i%2)
			c.awaitReady()
		})
	}
	exercise(t, m, "after")
}

// exercise walks through every part as somebody new.
func exercise(t *testing.T, m *mission, name string) {
	t.Helper()
	p := &person{}
	await(t, 30*time.Second, "registration", func() (err error) {
		p, err = m.tryRegister(t, fmt.Sprintf("%s@example.com", name))
		return err
	})
	m.followVerification(t, p.browser, m.awaitMail(t, p.email, 1))
	if status := m.signIn(t, p.browser, p.email, password); status != http.StatusOK {
		t.Fatalf("sign in: %d", status)
	}
	first := m.tokensFor(t, p, m.app, everyScope)
	id := claimsOf(t, first.AccessToken)["sub"].(string)
	m.want(t, http.StatusOK, "PATCH", "/v1/me/profile", first.AccessToken, `{"name":"`+name+`"}`)
	m.want(t, http.StatusOK, "PUT", "/v1/me/preferences/ui", first.AccessToken, `{"theme":"dark"}`)

	// Roles reach the next token, wherever it is made and used.
	m.want(t, http.StatusCreated, "POST", "/v1/roles", m.admin, `{"name":"reads-`+name+`","permissions":["users:read"]}`)
	m.want(t, http.StatusOK, "PUT", "/v1/users/"+id+"/roles", m.admin, `{"roles":["reads-`+name+`"]}`)
	token := m.tokensFor(t, p, m.app, everyScope).AccessToken
	for range 4 { // both of each
		m.want(t, http.StatusOK, "GET", "/v1/users?limit=1", token, "")
	}
	// What is told by one process is heard at another.
	lines, _ := m.stream(t.Context(), t, token)
	m.want(t, http.StatusCreated, "POST", "/v1/notifications", m.admin, `{"user_id":"`+id+`","category":"product","title":"For `+name+`","body":"x"}`)
	await(t, 20*time.Second, "the notification arrives live", func() error {
		for {
			select {
			case line := <-lines:
				if strings.Contains(line, "For "+name) {
					return nil
				}
			default:
				return fmt.Errorf("not yet")
			}
		}
	})
	data, errs := m.query(t, token, `{ me { profile { name } preferences { namespace } roles sessions { current } notifications { items { title } } } }`)
	if me, _ := data["me"].(map[string]any); len(errs) > 0 || !slices.Equal(names(me["roles"], ""), []string{"reads-" + name}) || len(me["notifications"].(map[string]any)["items"].([]any)) == 0 {
		t.Errorf("%v %v", data, errs)
	}
	// A key that one gateway has in its memory is gone for both.
	key := m.want(t, http.StatusCreated, "POST", "/v1/api-keys", token, `{"name":"k","scopes":["users:read"]}`)
	for range 4 {
		m.awaitKey(t, key["key"].(string), http.StatusOK)
	}
	m.want(t, http.StatusNoContent, "DELETE", "/v1/api-keys/"+key["id"].(string), token, "")
	m.awaitKey(t, key["key"].(string), http.StatusUnauthorized)
	for range 4 {
		if status := m.withKey(t, key["key"].(string)); status != http.StatusUnauthorized {
			t.Errorf("a gateway still takes the key: %d", status)
		}
	}
	// Suspension reaches everyone.
	m.want(t, http.StatusOK, "PATCH", "/v1/users/"+id, m.admin, `{"status":"suspended"}`)
	await(t, waitRevoked, "the token ends", func() error {
		return expectStatus(t, http.MethodGet, m.issuer+"/v1/me", token, http.StatusUnauthorized)
	})
	await(t, 20*time.Second, "the record in the log of all", func() error {
		if items := m.want(t, http.StatusOK, "GET", "/v1/audit?action=user.suspended&subject_id="+id, m.admin, "")["items"].([]any); len(items) != 1 {
			return fmt.Errorf("%d records", len(items))
		}
		return nil
	})
}
