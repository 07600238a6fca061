package cli

import "testing"

func TestByName(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:8443": "localhost:8443", "[::1]:8443": "localhost:8443",
		"192.0.2.7:8443": "192.0.2.7:8443", "localhost:8443": "localhost:8443", "": "",
	} {
		if got := byName(address); got != want {
			t.Errorf("byName(%q) = %q, want %q", address, got, want)
		}
	}
}
