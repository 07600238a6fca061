package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse.example/services/auth/app"
)

// TestLostMasterKey: without the file that its database was made with the
// service does not start, and makes none that would look like it.
func TestLostMasterKey(t *testing.T) {
	s := start(t)
	file := filepath.Join(s.options.DataDir, "keys", "master.key")
	kept, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Dir(file)); err != nil {
		t.Fatal(err)
	}
	if _, err := app.New(t.Context(), s.options); err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "restore") {
		t.Fatalf("started without its master key: %v", err)
	}
	if _, err := os.Stat(filepath.Dir(file)); !os.IsNotExist(err) {
		t.Errorf("something was left behind: %v", err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, kept, 0o600); err != nil {
		t.Fatal(err)
	}
	s.restart()
}
