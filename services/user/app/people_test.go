package app_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/config"
	"gatehouse.example/internal/database"
	"gatehouse.example/internal/database/databasetest"
	"gatehouse.example/internal/identity"
	"gatehouse.example/migrations"
	"gatehouse.example/services/user/app"
)

func TestChangeEmail(t *testing.T) {
	f := setUp(t)
	auth := f.client(t, "auth")
	id, other := uuid.Must(uuid.NewV7()).String(), uuid.Must(uuid.NewV7()).String()
	for of, email := range map[string]string{id: "ada@example.com", other: "bob@example.com"} {
		if _, err := auth.CreateAccount(t.Context(), userapi.NewAccount{ID: of, Email: email}); err != nil {
			t.Fatal(err)
		}
	}
	change := func(id, from, to string) (userapi.Account, error) {
		return auth.ChangeEmail(t.Context(), id, userapi.EmailChange{From: from, Email: to})
	}
	_, err := change(id, "ada@example.com", "BOB@example.com")
	wantProblem(t, err, 409, userapi.CodeEmailTaken)
	_, err = change(id, "old@example.com", "new@example.com")
	wantProblem(t, err, 409, userapi.CodeEmailChanged)
	_, err = change(uuid.NewString(), "ada@example.com", "new@example.com")
	wantProblem(t, err, 404, userapi.CodeNotFound)
	_, err = change(id, "ada@example.com", "nonsense")
	wantProblem(t, err, 422, "invalid")
	_, err = f.client(t, "email").ChangeEmail(t.Context(), id, userapi.EmailChange{From: "ada@example.com", Email: "new@example.com"})
	wantProblem(t, err, 403, "operation_denied")
	for range 2 {
		got, err := change(id, "ada@example.com", "New@example.com")
		if err != nil || got.Email != "New@example.com" || !got.EmailVerified || got.Status != userapi.StatusActive {
			t.Errorf("changed: %+v, %v", got, err)
		}
	}
}

func TestSchemasOfTheOperator(t *testing.T) {
	db := databasetest.New(t, database.MigrationSet{Service: "user", Schema: "user", Role: "gatehouse_user", FS: migrations.User})
	file := func(dir, name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, bad, named := t.TempDir(), t.TempDir(), t.TempDir()
	file(good, "ui.json", `{"type":"object"}`)
	file(good, "README.md", `not a schema`)
	file(bad, "mail.rules.json", `{"type":"objekt"}`)
	file(named, "User Interface.json", `{}`)
	for name, c := range map[string]struct {
		config config.User
		want   string
	}{
		"good":              {config.User{ProfileSchema: file(t.TempDir(), "p.json", `{}`), PreferenceSchemas: good}, ""},
		"none":              {config.User{}, ""},
		"missing profile":   {config.User{ProfileSchema: filepath.Join(good, "none.json")}, "user.profile_schema: open " + filepath.Join(good, "none.json")},
		"broken profile":    {config.User{ProfileSchema: file(t.TempDir(), "profile.json", `{`)}, "profile.json"},
		"missing folder":    {config.User{PreferenceSchemas: filepath.Join(good, "none")}, "user.preference_schemas: open " + filepath.Join(good, "none")},
		"broken schema":     {config.User{PreferenceSchemas: bad}, filepath.Join(bad, "mail.rules.json")},
		"not a namespace":   {config.User{PreferenceSchemas: named}, filepath.Join(named, "User Interface.json")},
		"a file, no folder": {config.User{PreferenceSchemas: filepath.Join(good, "ui.json")}, "user.preference_schemas"},
	} {
		_, err := app.New(t.Context(), app.Options{DB: db, Verifier: identity.NewVerifier(nil, domain, "gatehouse", time.Now), Config: c.config})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: error = %v, want %q", name, err, c.want)
		}
	}
}

func TestOperations(t *testing.T) {
	db := databasetest.New(t, database.MigrationSet{Service: "user", Schema: "user", Role: "gatehouse_user", FS: migrations.User})
	a, err := app.New(t.Context(), app.Options{DB: db, Verifier: identity.NewVerifier(nil, domain, "gatehouse", time.Now)})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"GET /v1/users", "POST /v1/users/{id}/restore", "PUT /v1/me/preferences/{namespace}", "GET /v1/openapi.json"} {
		if !slices.Contains(a.Operations(), want) {
			t.Errorf("%s is not among %v", want, a.Operations())
		}
	}
}
