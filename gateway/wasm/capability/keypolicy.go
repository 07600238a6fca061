package capability

import (
	"encoding/json"
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

// notForKeys are fields with a meaning of their own, which taking a key out of
// the request would remove.
var notForKeys = [...]string{"Authorization", "Proxy-Authorization", "Cookie", "Host", "Content-Length", "Content-Type", "Transfer-Encoding", "Connection"}

// Policy implements [Keys].
//
// # Errors
//
// The name of the value that is wrong, and what it should be.
func (v *KeyVerifier) Policy(text []byte) (*KeyPolicy, error) {
	p := &KeyPolicy{}
	if err := json.Unmarshal(text, p); err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	reserved := slices.ContainsFunc(notForKeys[:], func(name string) bool { return strings.EqualFold(name, p.Header) })
	switch {
	case p.Header == "" && p.Cookie == "" && p.Query == "":
		return nil, errors.New("header: want a place for the key: a header, a cookie or a query parameter")
	case p.Header != "" && !isToken(p.Header):
		return nil, fmt.Errorf("header: %q is not the name of a header field", p.Header)
	case reserved:
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
