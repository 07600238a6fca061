package browser

import (
	"net/url"
	"strings"
)

const maxReturnToBytes = 8 << 10

// ReturnTo returns where a sign-in may lead: an authorization request, a sign-in
// that proves an account for a provider, or a
// page of the account, as a path of this origin. Everything else is "", so that no
// text in a link or form can lead the browser elsewhere (RFC 9700 §4.11).
func ReturnTo(raw string) string {
	if raw == "" || len(raw) > maxReturnToBytes || strings.ContainsAny(raw, "\\#") {
		return ""
	}
	for i := range len(raw) {
		if raw[i] <= ' ' || raw[i] > '~' {
			return ""
		}
	}
	path, query, _ := strings.Cut(raw, "?")
	switch path {
	case "/account", "/account/password", "/account/email", "/account/sessions":
		return path
	case "/oauth2/authorize", "/login/link":
		if query != "" {
			return path + "?" + query
		}
	}
	return ""
}

// WithReturnTo appends the target to the path of a page, if there is one.
func WithReturnTo(path, returnTo string) string {
	if returnTo == "" {
		return path
	}
	return path + "?" + url.Values{"return_to": {returnTo}}.Encode()
}
