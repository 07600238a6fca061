package pluginhost

import (
	"path/filepath"
	"testing"
)

// A TMPDIR that is not there is no reason to do without plugins.
func TestRuntimeDirWithoutTMPDIR(t *testing.T) {
	t.Setenv("TMPDIR", "/nonexistent")
	d, err := newRuntimeDir("")
	if err != nil {
		t.Fatal(err)
	}
	if parent := filepath.Dir(d.path); parent != "/tmp" {
		t.Errorf("folder below %s, want /tmp", parent)
	}
	if err := d.remove(); err != nil {
		t.Error(err)
	}
	if _, err := newRuntimeDir("/nonexistent"); err == nil {
		t.Error("made a folder below one that was asked for and is not there")
	}
}
