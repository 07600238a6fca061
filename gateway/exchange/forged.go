package exchange

import "strings"

// forgedPrefixes are the beginnings of names that only the gateway may set.
var forgedPrefixes = [...]string{
	"x-gatehouse-", "x-user", "x-roles", "client-cert", "x-client-cert", "x-forwarded", "forwarded", "x-real-ip",
	"x-original-", "x-rewrite-url", "x-http-method", "x-method-override", "proxy",
	// What other proxies call a proven identity.
	"remote-user", "x-remote-user", "x-auth-request-", "x-ssl-",
}

// Forged reports whether a field claims what only the gateway may claim: who
// the user is, where a request came from, what it really asks for. A name with
// underscores counts as the one with hyphens: many servers cannot tell them
// apart (CGI).
func Forged(name string) bool {
	if name == "" {
		return false
	}
	switch name[0] | 0x20 {
	case 'x', 'c', 'f', 'p', 'r':
	default:
		return false
	}
	for _, prefix := range &forgedPrefixes {
		if hasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// GatewayField reports whether a field is the gateway's own by name, in any
// spelling: X-Gatehouse-* and X-Forwarded-*. No upstream gets one that somebody
// else has made.
func GatewayField(name string) bool {
	return len(name) > 10 && name[0]|0x20 == 'x' && (hasPrefix(name, "x-gatehouse-") || hasPrefix(name, "x-forwarded-"))
}

// hasPrefix compares without regard to case, and with '_' as '-'.
func hasPrefix(name, lowerPrefix string) bool {
	if len(name) < len(lowerPrefix) {
		// "X-Gatehouse" itself is one of them too.
		return strings.HasSuffix(lowerPrefix, "-") && len(name) == len(lowerPrefix)-1 && hasPrefix(name, lowerPrefix[:len(name)])
	}
	for i := range len(lowerPrefix) {
		c := name[i]
		switch {
		case c >= 'A' && c <= 'Z':
			c |= 0x20
		case c == '_':
			c = '-'
		}
		if c != lowerPrefix[i] {
			return false
		}
	}
	return true
}
