package stack

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestBindableKeepsShortPaths(t *testing.T) {
	for _, file := range []string{"", "/run/gatehouse/admin.sock"} {
		if path, _, err := bindable(file); err != nil || path != file {
			t.Errorf("%q: %q, %v", file, path, err)
		}
	}
}

func TestBindableOfALongPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("a", 120))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "admin.sock")
	path, release, err := bindable(file)
	if runtime.GOOS != "linux" {
		if err == nil {
			t.Error("a path that the system refuses is accepted")
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer release(t.Context()) //nolint:errcheck // only a folder
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if _, err := os.Stat(file); err != nil {
		t.Errorf("the socket is not where it belongs: %v", err)
	}
}
