package rest_test

import (
	"strings"
	"testing"
	"time"

	"gatehouse.example/services/user"
)

// TestViolationsLeadToWhatWasSent looks at the pointers of refusals.
func TestViolationsLeadToWhatWasSent(t *testing.T) {
	f := setUp(t)
	ada := f.person(t, "ada", "users:write")
	for _, row := range []struct{ method, path, body, pointer string }{
		{"POST", "/v1/users", `{"email":"x@example.com","phone":"12345"}`, "/phone"},
		{"PATCH", "/v1/users/" + ada.ID.String(), `{"phone":"bad"}`, "/phone"},
		{"PATCH", "/v1/users/" + ada.ID.String(), `{"profile":{"phone_number":"bad"}}`, "/profile/phone_number"},
		{"POST", "/v1/users", `{}`, "/email"},
		{"POST", "/v1/roles", `{}`, "/name"},
		{"POST", "/v1/authorize", `{}`, "/permission"},
	} {
		got := f.call(t, "admin", row.method, row.path, row.body)
		if got.status != 422 || !strings.Contains(string(got.body), `"pointer":"`+row.pointer+`"`) {
			t.Errorf("%s %s: %d %s, want a violation at %s", row.path, row.body, got.status, got.body, row.pointer)
		}
	}
}

// TestRestoreAfterTheRetention comes before the sweeper does.
func TestRestoreAfterTheRetention(t *testing.T) {
	f := setUp(t)
	f.restart(t, user.Options{DeletedRetention: time.Nanosecond})
	ada := f.person(t, "ada")
	path := "/v1/users/" + ada.ID.String()
	f.call(t, "admin", "DELETE", path, "").want(t, 204)
	time.Sleep(time.Millisecond)
	f.call(t, "admin", "POST", path+"/restore", "", "Content-Type", "").problem(t, 404, "user_not_found")
}

// TestScopeOfDeletingOneself names what is missing.
func TestScopeOfDeletingOneself(t *testing.T) {
	f := setUp(t)
	f.person(t, "ada")
	f.call(t, "ada", "DELETE", "/v1/me", "").problem(t, 403, "insufficient_scope")
}
