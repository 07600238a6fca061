package page_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"gatehouse.example/internal/problem"
	"gatehouse.example/internal/telemetry"
	"gatehouse.example/services/auth/page"
	"gatehouse.example/services/auth/password"
)

// TestError: busy is what a queue is; what is down is our fault, and the
// operator learns of it once.
func TestError(t *testing.T) {
	pages, err := page.New(page.Options{Issuer: "https://id.example"})
	if err != nil {
		t.Fatal(err)
	}
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	for name, test := range map[string]struct {
		err    error
		status int
		text   string
		logged int
	}{
		"queue":       {fmt.Errorf("hash: %w", password.ErrBusy), http.StatusServiceUnavailable, "Too much is going on right now", 0},
		"database":    {fmt.Errorf("load: %w", &net.OpError{Op: "dial", Err: errors.New("refused")}), http.StatusServiceUnavailable, "Something is not working on our side", 1},
		"users":       {problem.New(http.StatusServiceUnavailable, "down", ""), http.StatusServiceUnavailable, "Something is not working on our side", 1},
		"a bug of us": {errors.New("a bug"), http.StatusInternalServerError, "Something went wrong", 1},
	} {
		var log bytes.Buffer
		logger, err := telemetry.NewLogger(&log, "info", "json")
		if err != nil {
			t.Fatal(err)
		}
		slog.SetDefault(logger)
		r := httptest.NewRequest(http.MethodGet, "/login", nil)
		w := httptest.NewRecorder()
		pages.Error(w, r.WithContext(telemetry.WithRequestID(r.Context(), "the-request")), test.err)
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.text) || (test.status == http.StatusServiceUnavailable) != (w.Header().Get("Retry-After") != "") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if got := log.String(); strings.Count(got, "ERROR") != test.logged || strings.Count(got, "the-request") != test.logged || strings.Contains(w.Body.String(), test.err.Error()) {
			t.Errorf("%s: log %q", name, got)
		}
	}
}

// TestStrictTransport: a host with https is asked by https alone, but the own
// machine, where other programs have the same name.
func TestStrictTransport(t *testing.T) {
	for issuer, want := range map[string]string{
		"https://id.example":      "max-age=31536000",
		"https://id.example:8443": "max-age=31536000",
		"http://id.example":       "",
		"https://localhost:8443":  "",
		"https://127.0.0.1":       "",
		"https://[::1]:8443":      "",
		"https://id.localhost":    "",
	} {
		pages, err := page.New(page.Options{Issuer: issuer})
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		pages.Message(w, httptest.NewRequest(http.MethodGet, "/login", nil), http.StatusOK, page.Message{Title: "x"})
		if got := w.Header().Get("Strict-Transport-Security"); got != want {
			t.Errorf("%s: %q, want %q", issuer, got, want)
		}
	}
}
