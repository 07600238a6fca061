package app

import (
	"strings"

	"gatehouse.example/gateway/exchange"
)

// cleanEdge removes, before any filter sees the request, what a client could
// claim to be someone else with, and what concerns its connection only.
func cleanEdge(h *exchange.Header) {
	h.RemoveConnectionFields()
	h.DelFunc(func(f exchange.Field) bool { return exchange.Forged(f.Name) })
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
