package userapi

import (
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// LoginKey returns the one spelling of a login that [Client.AccountByLogin]
// may be asked with in many: whoever counts or compares logins does so by this.
// Case does not count, nor white space around it, nor how characters are
// composed, nor the spelling of an address's domain, of which there are
// unlimited many (UTS #46: full-width letters, soft hyphens). Logins that name
// no account have a key too.
func LoginKey(login string) string {
	login = norm.NFC.String(strings.ToLower(norm.NFC.String(strings.TrimSpace(login))))
	at := strings.LastIndexByte(login, '@')
	if at < 0 {
		return login
	}
	if ascii, err := idna.Lookup.ToASCII(login[at+1:]); err == nil {
		return login[:at+1] + ascii
	}
	return login
}
