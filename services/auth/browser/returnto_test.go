package browser_test

import (
	"net/url"
	"strings"
	"testing"

	"gatehouse.example/services/auth/browser"
)

// FuzzReturnTo holds that a browser which resolves what is returned stays on
// the same origin and on one of two paths.
func FuzzReturnTo(f *testing.F) {
	for _, seed := range []string{"/account", "/oauth2/authorize?a=b", "//evil.example", `/\evil`, "/account?x", "/oauth2/authorize?//evil#x", "/oauth2/authorize?\n"} {
		f.Add(seed)
	}
	base, err := url.Parse("https://id.example/login")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got := browser.ReturnTo(raw)
		if got == "" {
			return
		}
		u, err := base.Parse(got)
		if err != nil || u.Scheme != "https" || u.Host != "id.example" || (u.Path != "/account" && u.Path != "/oauth2/authorize") || strings.ContainsAny(got, "\r\n\t\\ ") {
			t.Fatalf("%q leads to %q: %v", raw, got, u)
		}
	})
}
