package rest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gatehouse.example/internal/database"
	"gatehouse.example/internal/database/databasetest"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/problem"
	"gatehouse.example/migrations"
	"gatehouse.example/services/user"
	"gatehouse.example/services/user/postgres"
	"gatehouse.example/services/user/rest"
)

// fixture is the API on a real store and real HTTP. The principal comes from a
// test header instead of an internal token.
type fixture struct {
	url      string
	api      *rest.API
	store    *postgres.Store
	db       *database.DB
	accounts *user.Accounts
	callers  map[string]identity.Principal
}

const asHeader = "X-Test-As"

// setUp starts the API; options change what its use cases are made with.
func setUp(t *testing.T, options ...user.Options) *fixture {
	t.Helper()
	options = append(options, user.Options{})
	db := databasetest.New(t, database.MigrationSet{Service: "user", Schema: "user", Role: "gatehouse_user", FS: migrations.User})
	store := postgres.New(db)
	f := &fixture{db: db, store: store, accounts: user.NewAccounts(store, options[0])}
	administrator, _, err := f.accounts.Create(t.Context(), user.New{
		Email: "administrator@example.com", EmailVerified: true, Roles: []string{"admin"}, Origin: user.OriginAdministration,
	})
	if err != nil {
		t.Fatal(err)
	}
	f.callers = map[string]identity.Principal{
		"admin":  {Kind: identity.KindUser, Subject: administrator.ID.String(), Roles: []string{"admin"}, Scopes: []string{"users:read", "users:write", "roles:read", "roles:write"}},
		"client": {Kind: identity.KindClient, Subject: "c1", ClientID: "c1", Scopes: []string{"admin"}},
		"reader": {Kind: identity.KindClient, Subject: "c2", ClientID: "c2", Scopes: []string{"users:read"}},
	}
	h, err := rest.New(rest.Options{Accounts: f.accounts, Preferences: user.NewPreferences(store, nil, nil), Roles: user.NewRoles(store, user.Options{})})
	if err != nil {
		t.Fatal(err)
	}
	f.api = h
	f.url = f.serve(t, h)
	return f
}

// serve returns the address of h, behind what stands for the internal token.
func (f *fixture) serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p, ok := f.callers[r.Header.Get(asHeader)]; ok {
			r = r.WithContext(identity.WithPrincipal(r.Context(), p))
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// person makes an active user and a caller of that name with the scopes.
func (f *fixture) person(t *testing.T, name string, scopes ...string) user.User {
	t.Helper()
	u, _, err := f.accounts.Create(t.Context(), user.New{
		Email: name + "@example.com", EmailVerified: true, Username: name, Origin: user.OriginRegistration,
		Profile: user.Profile{Name: name},
	})
	if err != nil {
		t.Fatal(err)
	}
	f.callers[name] = identity.Principal{Kind: identity.KindUser, Subject: u.ID.String(), Scopes: scopes}
	return u
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

// call sends a request; headers are name, value pairs. A body gets the content
// type of its method.
func (f *fixture) call(t *testing.T, as, method, path, body string, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, f.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(asHeader, as)
	switch method {
	case http.MethodPost, http.MethodPut:
		req.Header.Set("Content-Type", "application/json")
	case http.MethodPatch:
		req.Header.Set("Content-Type", "application/merge-patch+json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, data}
}

// want fails unless the answer has the status, and returns its body.
func (a answer) want(t *testing.T, status int) map[string]any {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	if len(a.body) == 0 {
		return nil
	}
	var body map[string]any
	if err := json.Unmarshal(a.body, &body); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	if _, ok := body["$schema"]; ok {
		t.Errorf("$schema in %s", a.body)
	}
	return body
}

// problem fails unless the answer is a problem of the status with the code, and
// returns the pointers of its violations.
func (a answer) problem(t *testing.T, status int, code string) []string {
	t.Helper()
	if a.status != status || a.header.Get("Content-Type") != problem.ContentType {
		t.Fatalf("status %d, type %q, want a problem %d: %s", a.status, a.header.Get("Content-Type"), status, a.body)
	}
	var p problem.Problem
	if err := json.Unmarshal(a.body, &p); err != nil {
		t.Fatal(err)
	}
	if p.Status != status || p.Title != http.StatusText(status) || p.Type != "about:blank" || (code != "" && p.Code != code) {
		t.Errorf("problem = %s, want status %d and code %q", a.body, status, code)
	}
	pointers := make([]string, len(p.Errors))
	for i, v := range p.Errors {
		pointers[i] = v.Place()
	}
	return pointers
}

func mustTime(t *testing.T, v any) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, v.(string))
	if err != nil || at.Location() != time.UTC {
		t.Errorf("%v is not RFC 3339 in UTC: %v", v, err)
	}
	return at
}
