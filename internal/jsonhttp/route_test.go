package jsonhttp_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"gatehouse.example/internal/jsonhttp"
)

func TestRouted(t *testing.T) {
	mux := http.NewServeMux()
	for _, pattern := range []string{"GET /v1/things", "POST /v1/things", "DELETE /v1/things/{id}"} {
		mux.HandleFunc(pattern, func(http.ResponseWriter, *http.Request) {})
	}
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/v1/things", 200, ""},
		{"HEAD", "/v1/things", 200, ""},
		{"PUT", "/v1/things", 405, "GET, HEAD, POST"},
		{"GET", "/v1/things/1", 405, "DELETE"},
		{"GET", "/v1/things/1/2", 404, ""},
		{"GET", "/", 404, ""},
	} {
		w := httptest.NewRecorder()
		jsonhttp.Routed(mux).ServeHTTP(w, httptest.NewRequest(c.method, c.path, nil))
		if w.Code != c.status || w.Header().Get("Allow") != c.allow {
			t.Errorf("%s %s: %d, Allow %q", c.method, c.path, w.Code, w.Header().Get("Allow"))
		}
		if w.Code >= 400 && w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %q", c.method, c.path, w.Header().Get("Content-Type"))
		}
	}
}
