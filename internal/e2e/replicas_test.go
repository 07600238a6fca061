package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// TestTwoOfEach runs two processes of each part behind balancers, and kills one
// of each under way: whoever is left does the work.
func TestTwoOfEach(t *testing.T) {
	c := newCluster(t, 2, "email: {dev_mailbox: true}\n")
	clientID := c.publicClient(t, redirectURI)
	ada := c.register(t, "ada@example.com")
	c.signIn(t, ada.browser, ada.email, password)
	c.tokens(t, ada, clientID)
	for i, part := range services {
		t.Run(part+" dies", func(t *testing.T) {
			c.kill(part, i%2)
			p := &person{}
			await(t, 30*time.Second, "registration", func() (err error) {
				p, err = c.tryRegister(t, fmt.Sprintf("after-%s@example.com", part))
				return err
			})
			c.followVerification(t, p.browser, c.awaitMail(t, p.email, 1))
			if status := c.signIn(t, p.browser, p.email, password); status != http.StatusOK {
				t.Fatalf("sign in: %d", status)
			}
			got := c.tokens(t, p, clientID)
			if err := expectStatus(t, http.MethodGet, c.issuer+"/v1/me", got.AccessToken, http.StatusOK); err != nil {
				t.Error(err)
			}
			c.start(part, i%2)
			c.awaitReady()
		})
	}
}
