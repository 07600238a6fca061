package app

import (
	"strings"

	"gatehouse.example/gateway/exchange"
)

// cleanEdge removes, before any filter sees the request, what a client could
// claim to be someone else with, and what concerns its connection only. A name
// with underscores counts as the one with hyphens: many servers cannot tell
// them apart (CGI).
func cleanEdge(h *exchange.Header) {
	h.RemoveConnectionFields()
	h.DelFunc(func(f exchange.Field) bool { return forged(f.Name) })
}

// forgedPrefixes are the beginnings of names that only the gateway may set.
var forgedPrefixes = [...]string{
	"x-gatehouse-", "x-user", "x-roles", "client-cert", "x-client-cert", "x-forwarded", "forwarded", "x-real-ip",
	"x-original-", "x-rewrite-url", "x-http-method", "x-method-override", "proxy",
	// What other proxies call a proven identity.
	"remote-user", "x-remote-user", "x-auth-request-", "x-ssl-",
}

func forged(name string) bool {
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

// escapePath writes a decoded path as a request target.
func escapePath(path string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(path) {
		c := path[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-._~/:@!$&'()*+,;=", c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return b.String()
}
