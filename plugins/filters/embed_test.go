package filters

import (
	"bytes"
	"strings"
	"testing"
)

// Each built-in filter is a module, or an error that says how to build it.
func TestModule(t *testing.T) {
	for _, name := range Names() {
		data, err := Module(name)
		switch {
		case err != nil && !strings.Contains(err.Error(), "make plugins"):
			t.Errorf("%s: %v", name, err)
		case err == nil && !bytes.HasPrefix(data, []byte("\x00asm")):
			t.Errorf("%s: not a WebAssembly module", name)
		}
	}
	if _, err := Module("../dist/.gitkeep"); err == nil || !strings.Contains(err.Error(), "apikey, cors, jwt, ratelimit") {
		t.Errorf("unknown filter: %v", err)
	}
}
