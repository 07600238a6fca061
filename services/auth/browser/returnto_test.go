package browser_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"gatehouse.example/services/auth/browser"
)

// FuzzReturnTo holds that a browser which resolves what is returned stays on
// the same origin and on one of a few paths.
func FuzzReturnTo(f *testing.F) {
	for _, seed := range []string{"/account", "/oauth2/authorize?a=b", "//evil.example", `/\evil`, "/account?x", "/account/sessions", "/login/link?flow=x", "/login/link/../x", "/oauth2/authorize?//evil#x", "/oauth2/authorize?\n"} {
		f.Add(seed)
	}
	base, err := url.Parse("https://id.example/login")
	if err != nil {
		f.Fatal(err)
	}
	allowed := []string{"/account", "/account/password", "/account/email", "/account/sessions", "/oauth2/authorize", "/login/link"}
	f.Fuzz(func(t *testing.T, raw string) {
		got := browser.ReturnTo(raw)
		if got == "" {
			return
		}
		u, err := base.Parse(got)
		if err != nil || u.Scheme != "https" || u.Host != "id.example" || !slices.Contains(allowed, u.Path) || strings.ContainsAny(got, "\r\n\t\\ ") {
			t.Fatalf("%q leads to %q: %v", raw, got, u)
		}
	})
}
