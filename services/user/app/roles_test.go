package app_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/bus"
	"gatehouse.example/internal/bus/embedded"
	"gatehouse.example/internal/database"
	"gatehouse.example/internal/database/databasetest"
	"gatehouse.example/internal/event"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/mtls"
	"gatehouse.example/internal/rbac"
	"gatehouse.example/migrations"
	"gatehouse.example/services/user/app"
)

// live is the service with a real broker and its background work.
type live struct {
	*fixture
	bus *bus.Bus
	app *app.App
}

func setUpLive(t *testing.T) *live {
	t.Helper()
	server, err := embedded.Start(embedded.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	f := &live{fixture: &fixture{}}
	if f.bus, err = bus.Connect(t.Context(), bus.Options{URL: server.URL(), Name: "user"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.bus.Close)
	if err := f.bus.EnsureStream(t.Context()); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	f.authority, err = mtls.LoadOrCreateAuthority(dir+"/ca.pem", dir+"/ca-key.pem", domain, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	own := f.bundle(t, "user")
	db := databasetest.New(t, database.MigrationSet{Service: "user", Schema: "user", Role: "gatehouse_user", FS: migrations.User})
	f.app, err = app.New(t.Context(), app.Options{DB: db, Bus: f.bus, Verifier: identity.NewVerifier(own.Roots, domain, "gatehouse", time.Now)})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(f.app.Handler())
	s.TLS = own.ServerTLS()
	s.StartTLS()
	t.Cleanup(s.Close)
	f.url = s.URL
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.app.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return f
}

// edge sends a request that must succeed, as the gateway does for the principal.
func (f *live) edge(t *testing.T, p identity.Principal, method, path, body string) {
	t.Helper()
	if status, text := f.send(t, p, method, path, body); status/100 != 2 {
		t.Fatalf("%s %s: %d %s", method, path, status, text)
	}
}

// send sends a request as the gateway does for the principal.
func (f *live) send(t *testing.T, p identity.Principal, method, path, body string) (status int, text string) {
	t.Helper()
	gateway := f.bundle(t, "gateway")
	p.Expires = time.Now().Add(time.Minute)
	token, _, err := identity.NewMinter(gateway, time.Now).Mint(p, "gatehouse")
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, f.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := httpClient(t, gateway).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// TestRolesReachTheOthers: what an administrator changes is in the account that
// auth asks for at once, in notices, and in events.
func TestRolesReachTheOthers(t *testing.T) {
	f := setUpLive(t)
	auth := f.client(t, "auth")
	boss, ada := uuid.Must(uuid.NewV7()).String(), uuid.Must(uuid.NewV7()).String()
	made, err := auth.CreateAccount(t.Context(), userapi.NewAccount{ID: boss, Email: "boss@example.com", EmailVerified: true, Roles: []string{rbac.RoleAdmin}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(rbac.All(), made.Permissions); diff != "" {
		t.Errorf("permissions of an administrator:\n%s", diff)
	}
	if _, err := auth.CreateAccount(t.Context(), userapi.NewAccount{ID: ada, Email: "ada@example.com", EmailVerified: true}); err != nil {
		t.Fatal(err)
	}
	_, err = auth.CreateAccount(t.Context(), userapi.NewAccount{ID: uuid.NewString(), Email: "x@example.com", Roles: []string{"nothing"}})
	wantProblem(t, err, 422, "invalid")

	notices, events := make(chan string, 100), make(chan event.Event, 100)
	for _, subject := range []string{event.NoticeRoles, event.NoticePrincipals} {
		if err := f.bus.Subscribe(t.Context(), subject, func(data []byte) { notices <- string(data) }); err != nil {
			t.Fatal(err)
		}
	}
	consuming, stop := context.WithCancel(t.Context())
	consumed := make(chan error, 1)
	go func() {
		consumed <- f.bus.Consume(consuming, bus.Consumer{
			Name: "test", Types: []string{event.TypeRoleChanged, event.TypeUserRolesChanged},
			Handle: func(_ context.Context, e event.Event) error { events <- e; return nil },
		})
	}()
	defer func() {
		stop()
		if err := <-consumed; err != nil {
			t.Error(err)
		}
	}()

	admin := identity.Principal{Kind: identity.KindUser, Subject: boss, ClientID: "console", Scopes: []string{rbac.RolesWrite}, Roles: made.Roles, Permissions: made.Permissions}
	f.edge(t, admin, "POST", "/v1/roles", `{"name":"base","permissions":["docs:read"]}`)
	f.edge(t, admin, "POST", "/v1/roles", `{"name":"lead","permissions":["users:read"],"inherits":["base"]}`)
	f.edge(t, admin, "PUT", "/v1/users/"+ada+"/roles", `{"roles":["lead"]}`)
	for name, look := range map[string]func() (userapi.Account, error){
		"by id":    func() (userapi.Account, error) { return auth.AccountByID(t.Context(), ada) },
		"by login": func() (userapi.Account, error) { return auth.AccountByLogin(t.Context(), "ada@example.com") },
	} {
		got, err := look()
		if err != nil || !slices.Equal(got.Roles, []string{"lead"}) || !slices.Equal(got.Permissions, []string{"docs:read", "users:read"}) {
			t.Errorf("%s: %v, %v, %v", name, got.Roles, got.Permissions, err)
		}
	}
	var told []string
	for len(told) < 3 {
		told = append(told, next(t, notices))
	}
	slices.Sort(told) // two subscriptions have no common order
	if diff := cmp.Diff([]string{"", "", "user " + ada}, told); diff != "" {
		t.Errorf("notices:\n%s", diff)
	}
	seen := map[string]event.Event{}
	for len(seen) < 3 {
		e := next(t, events)
		seen[e.Type+" "+e.Subject] = e
	}
	for _, role := range []string{"base", "lead"} {
		if _, ok := seen[event.TypeRoleChanged+" "+role]; !ok {
			t.Errorf("no event of role %s", role)
		}
	}
	var changed event.UserRolesChanged
	e := seen[event.TypeUserRolesChanged+" "+ada]
	if err := e.Decode(&changed); err != nil {
		t.Fatal(err)
	}
	want := event.UserRolesChanged{UserID: ada, Added: []string{"lead"}, Removed: []string{}, Roles: []string{"lead"}}
	if diff := cmp.Diff(want, changed); diff != "" {
		t.Errorf("event:\n%s", diff)
	}
}

func next[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(30 * time.Second):
		t.Fatal("nothing arrives")
		panic("unreachable")
	}
}

func TestOperationsOfRoles(t *testing.T) {
	f := setUpLive(t)
	for _, want := range []string{
		"GET /v1/roles", "POST /v1/roles", "GET /v1/roles/{name}", "PATCH /v1/roles/{name}", "DELETE /v1/roles/{name}",
		"GET /v1/permissions", "POST /v1/permissions", "DELETE /v1/permissions/{name}", "POST /v1/authorize",
		"GET /v1/users/{id}/roles", "PUT /v1/users/{id}/roles", "GET /v1/me/roles",
	} {
		if !slices.Contains(f.app.Operations(), want) {
			t.Errorf("%s is not among %v", want, f.app.Operations())
		}
	}
}
