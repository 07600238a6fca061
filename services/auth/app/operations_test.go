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

// TestBadFormsOfPages sends to every page what no browser does.
func TestBadFormsOfPages(t *testing.T) {
	s := start(t)
	_, b := s.person("ada@example.com")
	form, plain := "application/x-www-form-urlencoded", "text/plain"
	for name, test := range map[string]struct{ contentType, body string }{
		"empty":            {form, ""},
		"no content type":  {"", "email=a@example.com"},
		"wrong type":       {plain, "email=a@example.com"},
		"json":             {"application/json", `{"email":"a@example.com"}`},
		"truncated":        {form, "email=%e"},
		"invalid UTF-8":    {form, "email=%ff@example.com&password=%ff&current=%ff&challenge=%ff&code=%ff&session=%ff&end=%ff&login=%ff"},
		"U+0000":           {form, "email=%00@example.com&password=%00&current=%00&challenge=%00&code=%00&session=%00&end=%00&login=%00"},
		"twice":            {form, "email=a@example.com&email=b@example.com&session=a&session=b&end=all&end=all&challenge=a&challenge=b"},
		"unknown members":  {form, "nothing=is+known"},
		"ten million":      {form, "email=" + strings.Repeat("a", 10<<20)},
		"a long challenge": {form, "challenge=" + strings.Repeat("a", 9000) + "&code=x"},
	} {
		for _, path := range []string{"/login", "/register", "/verify", "/reset", "/setup", "/account/password", "/account/email", "/account/sessions"} {
			got := b.do(http.MethodPost, path, strings.NewReader(test.body), http.Header{"Content-Type": {test.contentType}})
			if got.StatusCode < 400 || got.StatusCode >= 500 {
				t.Errorf("%s to %s: status %d", name, path, got.StatusCode)
			}
		}
	}
	for _, query := range []string{"?challenge=%ff&code=%00", "?challenge=" + strings.Repeat("a", 9000), "?code=", "?challenge=a;b", "?done=%00%ff", "?return_to=//evil.example"} {
		for _, path := range []string{"/login", "/register", "/verify", "/reset", "/account", "/account/password", "/account/email", "/account/sessions"} {
			if got := b.get(path + query); got.StatusCode >= 500 || got.StatusCode == http.StatusSeeOther || strings.Contains(got.body, "evil") {
				t.Errorf("GET %s%.40s: status %d", path, query, got.StatusCode)
			}
		}
	}
}
