package app_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse.example/internal/rbac"
	"gatehouse.example/services/graph/app"
)

// TestTableOfOperations holds what the service mounts against the table.
func TestTableOfOperations(t *testing.T) {
	table, err := rbac.Operations()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(rbac.Mounted(table, "graph"), new(app.App).Operations()); diff != "" {
		t.Errorf("internal/rbac/operations.txt and the service differ (-table +mounted):\n%s", diff)
	}
}
