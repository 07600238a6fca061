package user

import (
	"errors"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

const (
	// maxEmailBytes and maxLocalBytes are RFC 5321 §4.5.3.1.
	maxEmailBytes = 254
	maxLocalBytes = 64
)

var (
	errEmailShape  = errors.New("must be an e-mail address such as ada@example.com")
	errEmailLength = errors.New("must be at most 254 bytes, 64 of them before the @")
	errEmailDomain = errors.New("must end in a domain name after the @")
	errUsername    = errors.New("must be 3 to 64 characters out of a-z, 0-9, dot, underscore and hyphen")
)

// domainPattern is RFC 1123 §2.1 with the label length of RFC 1035 §2.3.4,
// which idna's lookup profile does not check.
var domainPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$`)

var usernamePattern = regexp.MustCompile(`^[a-z0-9._-]{3,64}$`)

// ParseEmail returns the address in the form that is stored and shown: trimmed,
// NFC, its domain in lower case. The local part keeps its case; two addresses
// are the same if their [EmailKey] is.
//
// It takes the dot-string form of RFC 5321 §4.1.2 with the letters of RFC 6531
// §3.3, and no quoted local part, comment or address literal.
func ParseEmail(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", errEmailShape
	}
	s = norm.NFC.String(strings.TrimSpace(s))
	at := strings.LastIndexByte(s, '@')
	if at < 1 || at == len(s)-1 {
		return "", errEmailShape
	}
	local, domain := s[:at], strings.ToLower(s[at+1:])
	if len(local) > maxLocalBytes || len(s) > maxEmailBytes {
		return "", errEmailLength
	}
	for _, atom := range strings.Split(local, ".") {
		if atom == "" || strings.ContainsFunc(atom, notAtomText) {
			return "", errEmailShape
		}
	}
	ascii, err := idna.Lookup.ToASCII(domain)
	if err != nil || len(ascii) > 253 || !domainPattern.MatchString(ascii) {
		return "", errEmailDomain
	}
	if !strings.Contains(ascii, ".") && ascii != "localhost" {
		return "", errEmailDomain
	}
	return local + "@" + domain, nil
}

func notAtomText(r rune) bool {
	if r < utf8.RuneSelf {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' ||
			strings.ContainsRune("!#$%&'*+/=?^_`{|}~-", r))
	}
	return r == utf8.RuneError || !unicode.In(r, unicode.Letter, unicode.Mark, unicode.Number)
}

// EmailKey returns what makes an address unique: case does not count, nor the
// spelling of an internationalised domain. It takes the result of [ParseEmail]
// and returns lower-cased text for anything else.
func EmailKey(email string) string {
	email = norm.NFC.String(strings.ToLower(strings.TrimSpace(email)))
	at := strings.LastIndexByte(email, '@')
	if at < 0 {
		return email
	}
	if ascii, err := idna.Lookup.ToASCII(email[at+1:]); err == nil {
		return email[:at+1] + ascii
	}
	return email
}

// ParseUsername returns the username in the form that is stored, shown and
// compared: trimmed and in lower case. It never has an @, so that a login is
// either an address or a username.
func ParseUsername(s string) (string, error) {
	s = strings.ToLower(strings.TrimSpace(s))
	if !usernamePattern.MatchString(s) {
		return "", errUsername
	}
	return s, nil
}
