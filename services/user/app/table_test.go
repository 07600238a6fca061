package app_test

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse.example/internal/database"
	"gatehouse.example/internal/database/databasetest"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/mtls"
	"gatehouse.example/internal/rbac"
	"gatehouse.example/migrations"
	"gatehouse.example/services/user/app"
)

// TestTableOfOperations holds what the service mounts against the table.
func TestTableOfOperations(t *testing.T) {
	table, err := rbac.Operations()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	authority, err := mtls.LoadOrCreateAuthority(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem"), "table.test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	own, err := authority.IssueService("user", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	db := databasetest.New(t, database.MigrationSet{Service: "user", Schema: "user", Role: "gatehouse_user", FS: migrations.User})
	a, err := app.New(t.Context(), app.Options{DB: db, Verifier: identity.NewVerifier(own.Roots, "table.test", "gatehouse", time.Now)})
	if err != nil {
		t.Fatal(err)
	}
	mounted := a.Operations()
	slices.Sort(mounted)
	if diff := cmp.Diff(rbac.Mounted(table, "user"), mounted); diff != "" {
		t.Errorf("internal/rbac/operations.txt and the service differ (-table +mounted):\n%s", diff)
	}
}
