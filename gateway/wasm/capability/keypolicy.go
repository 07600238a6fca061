package capability

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// KeyPolicy says where an API key is and what it needs.
type KeyPolicy struct {
	// Header, Cookie and Query name the places; "" is no place.
	Header string `json:"header"`
	Cookie string `json:"cookie"`
	Query  string `json:"query"`
	// Scopes must all be the key's.
	Scopes []string `json:"scopes"`
}

// notForKeys are fields with a meaning of their own, in lower case: to take a
// key out of the request would remove them, and to hide it from other filters
// would blind those.
var notForKeys = [...]string{
	"authorization", "proxy-authorization", "cookie", "set-cookie", "host", "origin", "referer", "user-agent", "accept", "from", "date", "range", "etag",
	"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect", "max-forwards",
	"via", "forwarded", "x-real-ip", "cache-control", "pragma", "vary", "priority", "dnt", "upgrade-insecure-requests", "last-event-id",
	"traceparent", "tracestate", "baggage", "x-request-id", "x-requested-with", "x-http-method-override",
	"idempotency-key", "signature", "signature-input", "dpop", "location", "server", "allow", "retry-after",
}

// notForKeysPrefixes begin the names of families of such fields, in lower case.
var notForKeysPrefixes = [...]string{"accept-", "content-", "if-", "sec-", "access-control-", "x-forwarded-", "x-gatehouse-", "ratelimit", "x-ratelimit-"}

// notForKey reports whether a header field has a meaning of its own.
func notForKey(header string) bool {
	name := strings.ToLower(header)
	return slices.Contains(notForKeys[:], name) ||
		slices.ContainsFunc(notForKeysPrefixes[:], func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// Policy implements [Keys].
//
// # Errors
//
// The name of the value that is wrong, and what it should be.
func (v *KeyVerifier) Policy(text []byte) (*KeyPolicy, error) {
	p := &KeyPolicy{}
	if err := decodePolicy(text, p); err != nil {
		return nil, err
	}
	switch {
	case p.Header == "" && p.Cookie == "" && p.Query == "":
		return nil, errors.New("header: want a place for the key: a header, a cookie or a query parameter")
	case p.Header != "" && !isToken(p.Header):
		return nil, fmt.Errorf("header: %q is not the name of a header field", p.Header)
	case notForKey(p.Header):
		return nil, fmt.Errorf("header: %s has a meaning of its own; want another, such as X-API-Key", p.Header)
	case p.Cookie != "" && !isToken(p.Cookie):
		return nil, fmt.Errorf("cookie: %q is not the name of a cookie", p.Cookie)
	}
	for i, scope := range p.Scopes {
		if scope == "" || strings.ContainsAny(scope, " \"\\") {
			return nil, fmt.Errorf("scopes/%d: %q is not a scope", i, scope)
		}
	}
	return p, nil
}

// HiddenHeader returns the policy's header field in lower case where the
// operator names it in the filter's configuration: then it is hidden from other
// filters. No filter hides what it likes. Otherwise it returns "".
func (p *KeyPolicy) HiddenHeader(config []byte) string {
	for text := range operatorTexts(config) {
		if p.Header != "" && strings.EqualFold(text, p.Header) {
			return strings.ToLower(p.Header)
		}
	}
	return ""
}

// isToken reports whether text is a token (RFC 9110 §5.6.2).
func isToken(text string) bool {
	for i := range len(text) {
		c := text[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return text != ""
}
