package cli

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse.example/internal/database"
	"gatehouse.example/internal/database/databasetest"
	"gatehouse.example/internal/identity"
	"gatehouse.example/migrations"
	"gatehouse.example/services/user"
	"gatehouse.example/services/user/postgres"
	"gatehouse.example/services/user/rest"
)

// installation is the user service's API behind a token endpoint that gives
// one client a token, as the commands see an installation.
type installation struct {
	accounts *user.Accounts
	// flags say where it is and as whom to call it.
	flags []string
	// before, if set, runs before the next request that changes something.
	before atomic.Pointer[func()]
}

func newInstallation(t *testing.T) *installation {
	t.Helper()
	db := databasetest.New(t, database.MigrationSet{Service: "user", Role: "gatehouse_user", FS: migrations.User})
	store := postgres.New(db)
	in := &installation{accounts: user.NewAccounts(store, user.Options{})}
	api, err := rest.New(rest.Options{
		Accounts: in.accounts, Preferences: user.NewPreferences(store, nil, nil), Roles: user.NewRoles(store, user.Options{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /oauth2/token", func(w http.ResponseWriter, r *http.Request) {
		if id, secret, _ := r.BasicAuth(); id != "ops" || secret != "s3cret" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"error":"invalid_client"}`))
			return
		}
		_, _ = w.Write([]byte(`{"access_token":"t"}`))
	})
	mux.HandleFunc("/v1/", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			if before := in.before.Swap(nil); before != nil {
				(*before)()
			}
		}
		if r.Header.Get("Authorization") == "Bearer t" {
			p := identity.Principal{Kind: identity.KindClient, Subject: "ops", ClientID: "ops", Scopes: []string{identity.ScopeAdmin}}
			r = r.WithContext(identity.WithPrincipal(r.Context(), p))
		}
		api.ServeHTTP(w, r)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	data := t.TempDir()
	secret := filepath.Join(data, "secret")
	if err := os.WriteFile(secret, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	in.flags = []string{"--data", data, "--issuer", server.URL, "--client-id", "ops", "--client-secret-file", secret}
	return in
}

// run runs a command line against the installation.
func (in *installation) run(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = Run(append(args, in.flags...), &out, &errs)
	return code, out.String(), errs.String()
}

func TestUserGrant(t *testing.T) {
	in := newInstallation(t)
	person := func(email string) user.User {
		u, _, err := in.accounts.Create(t.Context(), user.New{Email: email, EmailVerified: true, Origin: user.OriginAdministration})
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	// The list finds the longer address by the start, too.
	longer, ada := person("ada@example.community"), person("ada@example.com")
	other := person("bob@example.com")

	code, stdout, stderr := in.run("user", "grant", "--user", "ADA@example.com", "--role", "admin", "--output", "json")
	if code != ExitDone || stderr != "" {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	var got struct {
		ID                 string
		Roles, Permissions []string
	}
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || got.ID != ada.ID.String() || len(got.Permissions) == 0 {
		t.Errorf("%v: %s", err, stdout)
	}
	if diff := cmp.Diff([]string{"admin"}, got.Roles); diff != "" {
		t.Errorf("roles:\n%s", diff)
	}
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"two at once", []string{"--user", ada.ID.String(), "--role", "user,admin"}, ExitDone, "roles        admin user\n"},
		{"again", []string{"--user", ada.ID.String(), "--role", "user"}, ExitDone, "roles        admin user\n"},
		{"back", []string{"--user", ada.ID.String(), "--role", "user", "--revoke"}, ExitDone, "roles        admin\n"},
		{"back again", []string{"--user", ada.ID.String(), "--role", "user", "--revoke"}, ExitDone, "roles        admin\n"},
		{"the last administrator", []string{"--user", ada.ID.String(), "--role", "admin", "--revoke"}, ExitFailed, "last active administrator"},
		{"an unknown role", []string{"--user", ada.ID.String(), "--role", "root"}, ExitFailed, "there is no such role"},
		{"an unknown address", []string{"--user", "ada@example.co", "--role", "admin"}, ExitFailed, `there is no user with the address or id "ada@example.co"`},
		{"an unknown id", []string{"--user", "01900000-0000-7000-8000-000000000000", "--role", "admin"}, ExitFailed, "there is no such user"},
		{"nobody", []string{"--role", "admin"}, ExitUsage, "--user is missing"},
		{"nothing", []string{"--user", "ada@example.com"}, ExitUsage, "--role is missing"},
		{"help", []string{"--help"}, ExitDone, "gatehouse user grant --user ada@example.com --role admin"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, stdout, stderr := in.run(append([]string{"user", "grant"}, c.args...)...)
			if code != c.code || !strings.Contains(stdout+stderr, c.says) {
				t.Errorf("exit code %d, want %d and %q:\n%s%s", code, c.code, c.says, stdout, stderr)
			}
		})
	}
	for _, u := range []user.User{longer, other} {
		if got, err := in.accounts.ByID(t.Context(), u.ID); err != nil || len(got.Roles) > 0 {
			t.Errorf("%s has %v, %v", u.Email, got.Roles, err)
		}
	}
}

// TestUserGrantMeetsAnother: a role that somebody else gives between our
// reading and our writing is not lost.
func TestUserGrantMeetsAnother(t *testing.T) {
	in := newInstallation(t)
	u, _, err := in.accounts.Create(t.Context(), user.New{Email: "ada@example.com", EmailVerified: true, Origin: user.OriginAdministration})
	if err != nil {
		t.Fatal(err)
	}
	other := func() {
		if _, err := in.accounts.Update(t.Context(), u.ID, func(u *user.User) error { u.Roles = []string{"user"}; return nil }); err != nil {
			t.Error(err)
		}
	}
	in.before.Store(&other)
	code, stdout, stderr := in.run("user", "grant", "--user", "ada@example.com", "--role", "admin")
	if code != ExitDone || !strings.Contains(stdout, "roles        admin user\n") {
		t.Errorf("exit code %d:\n%s%s", code, stdout, stderr)
	}
}
