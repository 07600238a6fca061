package app_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"gatehouse.example/internal/api"
	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/database"
	"gatehouse.example/internal/database/databasetest"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/mtls"
	"gatehouse.example/internal/problem"
	"gatehouse.example/migrations"
	"gatehouse.example/services/user/app"
)

const domain = "test.internal"

// fixture is the service behind real mutual TLS.
type fixture struct {
	authority *mtls.Authority
	url       string
}

func setUp(t *testing.T) *fixture {
	t.Helper()
	dir := t.TempDir()
	authority, err := mtls.LoadOrCreateAuthority(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem"), domain, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{authority: authority}
	own := f.bundle(t, "user")
	db := databasetest.New(t, database.MigrationSet{Service: "user", Schema: "user", Role: "gatehouse_user", FS: migrations.User})
	a, err := app.New(t.Context(), app.Options{DB: db, Verifier: identity.NewVerifier(own.Roots, domain, "gatehouse", time.Now)})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Ready(t.Context()); err != nil {
		t.Errorf("ready: %v", err)
	}
	s := httptest.NewUnstartedServer(a.Handler())
	s.TLS = own.ServerTLS()
	s.StartTLS()
	t.Cleanup(s.Close)
	f.url = s.URL
	return f
}

func (f *fixture) bundle(t *testing.T, service string) *mtls.Bundle {
	t.Helper()
	b, err := f.authority.IssueService(service, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// client is the user service's client in another service.
func (f *fixture) client(t *testing.T, service string) *userapi.Client {
	t.Helper()
	b := f.bundle(t, service)
	minter := identity.NewMinter(b, time.Now)
	return userapi.New(api.New(api.Options{
		Base: f.url, HTTP: httpClient(t, b),
		Token: func() (string, error) { return minter.MintService("gatehouse") },
	}))
}

func httpClient(t *testing.T, b *mtls.Bundle) *http.Client {
	transport := &http.Transport{TLSClientConfig: b.ClientTLS("user")}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func wantProblem(t *testing.T, err error, status int, code string) {
	t.Helper()
	var p *problem.Problem
	if !errors.As(err, &p) || p.Status != status || p.Code != code {
		t.Errorf("error = %v, want a problem %d %q", err, status, code)
	}
}

func TestInternalAPI(t *testing.T) {
	f := setUp(t)
	auth := f.client(t, "auth")
	id := uuid.Must(uuid.NewV7()).String()
	n := userapi.NewAccount{ID: id, Email: "Ada@example.com", Username: "ada", Locale: "en-GB", Profile: map[string]any{"name": "Ada"}}
	made, err := auth.CreateAccount(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	updated := made.Profile["updated_at"]
	want := userapi.Account{
		ID: id, Email: "Ada@example.com", Username: "ada", Status: userapi.StatusPending, Roles: []string{}, Locale: "en-GB", Name: "Ada",
		Profile: map[string]any{"name": "Ada", "locale": "en-GB", "preferred_username": "ada", "updated_at": updated},
	}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Errorf("account (-want +got):\n%s", diff)
	}
	again, err := auth.CreateAccount(t.Context(), n)
	if err != nil || again.ID != id {
		t.Errorf("created again: %+v, %v", again, err)
	}
	for _, login := range []string{"ADA@example.com", "Ada"} {
		if got, err := auth.AccountByLogin(t.Context(), login); err != nil || got.ID != id {
			t.Errorf("login %q: %+v, %v", login, got, err)
		}
	}
	_, err = auth.VerifyEmail(t.Context(), id, "bob@example.com")
	wantProblem(t, err, 409, userapi.CodeEmailChanged)
	proven, err := auth.VerifyEmail(t.Context(), id, "ada@example.com")
	if err != nil || !proven.EmailVerified || proven.Status != userapi.StatusActive {
		t.Errorf("verified: %+v, %v", proven, err)
	}
	if got, err := auth.AccountByID(t.Context(), id); err != nil || got.Status != userapi.StatusActive {
		t.Errorf("by id: %+v, %v", got, err)
	}
}

func TestInternalAPIRefuses(t *testing.T) {
	f := setUp(t)
	auth := f.client(t, "auth")
	id := uuid.Must(uuid.NewV7()).String()
	if _, err := auth.CreateAccount(t.Context(), userapi.NewAccount{ID: id, Email: "ada@example.com", Username: "ada"}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		n      userapi.NewAccount
		status int
		code   string
	}{
		"email":    {userapi.NewAccount{ID: uuid.NewString(), Email: "ADA@example.com"}, 409, userapi.CodeEmailTaken},
		"username": {userapi.NewAccount{ID: uuid.NewString(), Email: "b@example.com", Username: "ADA"}, 409, userapi.CodeUsernameTaken},
		"id":       {userapi.NewAccount{ID: id, Email: "b@example.com"}, 409, userapi.CodeIDTaken},
		"no email": {userapi.NewAccount{ID: uuid.NewString()}, 422, "invalid"},
		"claim":    {userapi.NewAccount{ID: uuid.NewString(), Email: "b@example.com", Profile: map[string]any{"shoe_size": 38}}, 422, "invalid"},
		"bad id":   {userapi.NewAccount{ID: "x", Email: "b@example.com"}, 400, "malformed"},
	} {
		_, err := auth.CreateAccount(t.Context(), c.n)
		t.Run(name, func(t *testing.T) { wantProblem(t, err, c.status, c.code) })
	}
	_, err := auth.AccountByID(t.Context(), uuid.NewString())
	wantProblem(t, err, 404, userapi.CodeNotFound)
	for _, login := range []string{"nobody", "nobody@example.com", "a\x00@example.com", "\xff"} {
		_, err := auth.AccountByLogin(t.Context(), login)
		wantProblem(t, err, 404, userapi.CodeNotFound)
	}
	_, err = auth.AccountByLogin(t.Context(), "")
	wantProblem(t, err, 400, "malformed")
	// Only service/auth may change accounts; email may look one up.
	if _, err := f.client(t, "email").AccountByID(t.Context(), id); err != nil {
		t.Errorf("email looks an account up: %v", err)
	}
	for _, other := range []string{"gateway", "email", "user"} {
		c := f.client(t, other)
		if other != "email" {
			_, err := c.AccountByID(t.Context(), id)
			wantProblem(t, err, 403, "operation_denied")
		}
		_, err := c.CreateAccount(t.Context(), userapi.NewAccount{ID: uuid.NewString(), Email: "x@example.com"})
		wantProblem(t, err, 403, "operation_denied")
		_, err = c.VerifyEmail(t.Context(), id, "ada@example.com")
		wantProblem(t, err, 403, "operation_denied")
	}
}

func TestEdge(t *testing.T) {
	f := setUp(t)
	id := uuid.Must(uuid.NewV7()).String()
	if _, err := f.client(t, "auth").CreateAccount(t.Context(), userapi.NewAccount{ID: id, Email: "ada@example.com"}); err != nil {
		t.Fatal(err)
	}
	gateway, auth := f.bundle(t, "gateway"), f.bundle(t, "auth")
	ada := identity.Principal{Kind: identity.KindUser, Subject: id, ClientID: "app", Scopes: []string{"openid"}, Expires: time.Now().Add(time.Minute)}
	token, _, err := identity.NewMinter(gateway, time.Now).Mint(ada, "gatehouse")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		peer   *mtls.Bundle
		path   string
		token  string
		status int
	}{
		"the gateway for a person":  {gateway, "/v1/me", token, 200},
		"the gateway for nobody":    {gateway, "/v1/me", "", 401},
		"a broken token":            {gateway, "/v1/me", token + "x", 401},
		"another service":           {auth, "/v1/me", token, 403},
		"the document, for nobody":  {gateway, "/v1/openapi.json", "", 200},
		"an unknown internal path":  {gateway, "/internal/v1/secrets", token, 404},
		"the edge on internal ways": {gateway, "/internal/v1/accounts/" + id, token, 403},
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.url+c.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if c.token != "" {
				req.Header.Set("Authorization", "Bearer "+c.token)
			}
			resp, err := httpClient(t, c.peer).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != c.status {
				t.Errorf("status %d, want %d: %s", resp.StatusCode, c.status, body)
			}
			if c.status >= 400 && !strings.HasPrefix(resp.Header.Get("Content-Type"), problem.ContentType) {
				t.Errorf("no problem: %s", body)
			}
		})
	}
}

func TestNewNeedsItsParts(t *testing.T) {
	if _, err := app.New(context.Background(), app.Options{}); err == nil {
		t.Error("no error without a database")
	}
}
