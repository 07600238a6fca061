package app_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse.example/internal/rbac"
)

// TestTableOfOperations holds what the service mounts against the table.
func TestTableOfOperations(t *testing.T) {
	table, err := rbac.Operations()
	if err != nil {
		t.Fatal(err)
	}
	mounted := start(t).app.Operations()
	slices.Sort(mounted)
	if diff := cmp.Diff(rbac.Mounted(table, "auth"), mounted); diff != "" {
		t.Errorf("internal/rbac/operations.txt and the service differ (-table +mounted):\n%s", diff)
	}
}
