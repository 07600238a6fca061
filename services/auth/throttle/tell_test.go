package throttle_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"gatehouse.example/services/auth/throttle"
)

func TestTell(t *testing.T) {
	for wait, want := range map[time.Duration][2]string{
		time.Millisecond:        {"1", "Too many attempts. Try again in 1 second."},
		time.Second:             {"1", "Too many attempts. Try again in 1 second."},
		1001 * time.Millisecond: {"2", "Too many attempts. Try again in 2 seconds."},
		time.Minute:             {"60", "Too many attempts. Try again in 60 seconds."},
	} {
		w := httptest.NewRecorder()
		if got := throttle.Tell(w, wait); got != want[1] || w.Header().Get("Retry-After") != want[0] {
			t.Errorf("%s: %q, Retry-After %q", wait, got, w.Header().Get("Retry-After"))
		}
	}
}
