package notification

import "strings"

// sign is a part of a User-Agent header and what it says.
type sign struct{ part, name string }

// The more particular comes first: every browser claims to be the others too.
var browsers = []sign{
	{"Edg", "Edge"}, {"OPR/", "Opera"}, {"Opera", "Opera"}, {"SamsungBrowser", "Samsung Internet"}, {"Vivaldi", "Vivaldi"},
	{"FxiOS", "Firefox"}, {"Firefox", "Firefox"}, {"CriOS", "Chrome"}, {"Chromium", "Chromium"},
	{"Chrome", "Chrome"}, {"Safari", "Safari"}, {"curl/", "curl"},
}

var systems = []sign{
	{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"CrOS", "ChromeOS"},
	{"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"Macintosh", "macOS"}, {"Linux", "Linux"},
}

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
	browser, system := find(browsers, userAgent), find(systems, userAgent)
	switch {
	case browser != "" && system != "":
		return browser + words[0] + system
	case browser+system != "":
		return browser + system
	default:
		return words[1]
	}
}

func find(signs []sign, text string) string {
	for _, s := range signs {
		if strings.Contains(text, s.part) {
			return s.name
		}
	}
	return ""
}
