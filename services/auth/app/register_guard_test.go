package app_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse.example/internal/event"
)

// TestRegistrationsAreSlowedDown: one address of the network cannot have mails
// sent to any number of people, nor can many have them sent to one.
func TestRegistrationsAreSlowedDown(t *testing.T) {
	s := start(t)
	attempt := func(email, from string) answer {
		return s.browser().post("/register", url.Values{"email": {email}, "password": {goodPassword}}, "X-Forwarded-For", from)
	}
	mails := func() (n int) {
		if err := s.db.Pool.QueryRow(t.Context(), `SELECT count(*) FROM outbox WHERE type = $1`, event.TypeVerificationRequested).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	statuses := make([]int, 130)
	simultaneously(len(statuses), func(i int) {
		statuses[i] = attempt(fmt.Sprintf("person%d@example.com", i), "192.0.2.7").StatusCode
	})
	counts := map[int]int{}
	for _, status := range statuses {
		counts[status]++
	}
	if counts[http.StatusOK] > 101 || counts[http.StatusOK]+counts[http.StatusTooManyRequests] != len(statuses) || mails() != counts[http.StatusOK] {
		t.Errorf("statuses %v, %d mails", counts, mails())
	}
	refused := attempt("another@example.com", "192.0.2.7").want(t, http.StatusTooManyRequests)
	if refused.Header.Get("Retry-After") == "" || !strings.Contains(refused.body, "Too many attempts. Try again in ") || !strings.Contains(refused.body, `value="another@example.com"`) {
		t.Errorf("page %s", refused.body)
	}
	if s.users.byLogin("another@example.com").ID != "" {
		t.Error("an account was made all the same")
	}
	attempt("another@example.com", "192.0.2.8").want(t, http.StatusOK)
	s.advance(20 * time.Second)
	attempt("patient@example.com", "192.0.2.7").want(t, http.StatusOK)

	// What is wrong in the form costs nothing; one person is not written to
	// from everywhere, known or not.
	for range 10 {
		s.browser().post("/register", url.Values{"email": {"x"}, "password": {"x"}}, "X-Forwarded-For", "192.0.2.9").want(t, http.StatusUnprocessableEntity)
	}
	for _, email := range []string{"person0@example.com", "nobody@example.com"} {
		last := 0
		for i := range 8 {
			last = attempt(email, fmt.Sprintf("198.51.100.%d", i+1)).StatusCode
		}
		if last != http.StatusTooManyRequests {
			t.Errorf("%s: the last of 8 is %d", email, last)
		}
	}
	for i := range 8 { // the own machine
		attempt("owner@example.com", []string{"127.0.0.1", "::1", "::ffff:127.0.0.1"}[i%3]).want(t, http.StatusOK)
	}
}
