package page_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"gatehouse.example/services/auth/page"
)

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
