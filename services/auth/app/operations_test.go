package app_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestOperations holds the list of what the edge can reach against the service.
func TestOperations(t *testing.T) {
	s := start(t)
	operations := s.app.Operations()
	if !slices.IsSorted(operations) || len(slices.Compact(slices.Clone(operations))) != len(operations) {
		t.Errorf("operations are not sorted and unique: %v", operations)
	}
	for _, want := range []string{
		"GET /.well-known/openid-configuration", "GET /oauth2/jwks", "POST /oauth2/token", "GET /login", "POST /login", "POST /verify",
		"GET /reset", "POST /reset", "GET /account", "GET /account/password", "POST /account/password", "GET /account/email", "POST /account/email",
		"GET /account/sessions", "POST /account/sessions", "GET /v1/sessions", "DELETE /v1/sessions", "DELETE /v1/sessions/{id}", "GET /v1/clients", "POST /v1/api-keys",
	} {
		if !slices.Contains(operations, want) {
			t.Errorf("%s is not noted", want)
		}
	}
	b := s.browser()
	paths := map[string][]string{}
	for _, operation := range operations {
		method, path, _ := strings.Cut(operation, " ")
		if strings.HasPrefix(path, "/internal") {
			t.Errorf("%s is not for the edge", operation)
		}
		paths[path] = append(paths[path], method)
		switch got := b.do(method, strings.NewReplacer("{id}", "x", "{provider}", "x").Replace(path), nil, nil).StatusCode; got {
		case http.StatusNotFound, http.StatusMethodNotAllowed:
			if !strings.Contains(path, "{provider}") { // there is none
				t.Errorf("%s: status %d", operation, got)
			}
		}
	}
	// And the other way: what is not noted is not answered.
	for path, methods := range paths {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			if slices.Contains(methods, method) {
				continue
			}
			got := s.call(operator(), method, strings.NewReplacer("{id}", "x", "{provider}", "x").Replace(path), "").StatusCode
			if got != http.StatusMethodNotAllowed && got != http.StatusNotFound && got != http.StatusForbidden {
				t.Errorf("%s %s is answered with %d and not noted", method, path, got)
			}
		}
	}
}
