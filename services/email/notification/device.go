package notification

import "gatehouse.example/services/email"

// deviceWords are "on" and "unknown" by language.
var deviceWords = map[string][2]string{
	"en": {" on ", "an unknown device"},
	"de": {" auf ", "ein unbekanntes Gerät"},
}

// Device describes a User-Agent header as a person would, such as "Firefox on
// Linux". The header is what a browser says of itself: it proves nothing, and
// none of it is repeated.
func Device(userAgent, language string) string {
	words, ok := deviceWords[language]
	if !ok {
		words = deviceWords[Languages()[0]]
	}
	browser, system := email.Device(userAgent)
	switch {
	case browser != "" && system != "":
		return browser + words[0] + system
	case browser+system != "":
		return browser + system
	default:
		return words[1]
	}
}
