package auth

import (
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"
)

// MatchRedirectURI reports whether the client registered requested. Comparison
// is of the exact string (RFC 9700 §2.1, RFC 3986 §6.2.1); only a public client
// that registered an http URI on a loopback address may name any port there
// (RFC 8252 §7.3).
func (c Client) MatchRedirectURI(requested string) bool {
	if requested == "" {
		return false
	}
	if slices.Contains(c.RedirectURIs, requested) {
		return true
	}
	if c.Type != ClientPublic {
		return false
	}
	wanted, ok := withoutLoopbackPort(requested)
	if !ok {
		return false
	}
	for _, registered := range c.RedirectURIs {
		if known, ok := withoutLoopbackPort(registered); ok && known == wanted {
			return true
		}
	}
	return false
}

// withoutLoopbackPort cuts the port out of an http URI on a loopback address
// literal; the rest stays byte for byte what it was.
func withoutLoopbackPort(uri string) (string, bool) {
	for _, host := range []string{"http://127.0.0.1", "http://[::1]"} {
		rest, ok := strings.CutPrefix(uri, host)
		if !ok {
			continue
		}
		if digits, ok := strings.CutPrefix(rest, ":"); ok {
			end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' })
			if end < 0 {
				end = len(digits)
			}
			if end == 0 || end > 5 {
				return "", false
			}
			rest = digits[end:]
		}
		// Anything but a path or query here ("@evil", ".evil") would be another host.
		if rest != "" && rest[0] != '/' && rest[0] != '?' {
			return "", false
		}
		return host + rest, true
	}
	return "", false
}

// CheckRedirectURI says why uri cannot be registered, or nil: it must be
// absolute and without fragment (RFC 6749 §3.1.2), https, or http on the own
// machine, or a private-use scheme of a public client (RFC 8252 §7.1).
func CheckRedirectURI(uri string, clientType ClientType) error {
	if len(uri) > 2000 {
		return errors.New("must not be longer than 2000 characters")
	}
	for i := range len(uri) {
		if uri[i] <= ' ' || uri[i] > '~' || uri[i] == '\\' {
			return errors.New("must not contain spaces, backslashes or characters outside ASCII")
		}
	}
	u, err := url.Parse(uri)
	switch {
	case err != nil || !u.IsAbs():
		return errors.New("must be an absolute URI")
	case strings.Contains(uri, "#"):
		return errors.New("must not have a fragment")
	case u.User != nil:
		return errors.New("must not have user information")
	case strings.Contains(u.Host, "*"):
		return errors.New("must not contain wildcards")
	}
	switch {
	case u.Scheme == "https" && u.Host != "":
		return nil
	case u.Scheme == "http" && isLoopbackHost(u.Hostname()):
		return nil
	case u.Scheme == "http" || u.Scheme == "https":
		return errors.New("must be https, or http on a loopback address")
	case !strings.Contains(u.Scheme, "."):
		return errors.New("must have a scheme that is https, or the reverse of a domain name")
	case clientType != ClientPublic:
		return errors.New("may have a private-use scheme only for a public client")
	}
	return nil
}

func isLoopbackHost(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
