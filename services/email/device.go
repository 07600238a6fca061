package email

import "strings"

// Names of browsers and systems by what tells them in a User-Agent (RFC 9110
// §10.1.5), the first that is found counts: Edge says that it is Chrome, Chrome
// that it is Safari.
var (
	browsers = [][2]string{
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"},
		{"CriOS/", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}, {"curl/", "curl"},
	}
	systems = [][2]string{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"},
		{"CrOS", "ChromeOS"}, {"Mac OS X", "macOS"}, {"Macintosh", "macOS"}, {"Linux", "Linux"},
	}
)

// Device returns the browser and the system that a User-Agent names, each
// empty if it is not known. Nothing of what the browser sent is in them.
func Device(userAgent string) (browser, system string) {
	return named(browsers, userAgent), named(systems, userAgent)
}

func named(names [][2]string, userAgent string) string {
	for _, n := range names {
		if strings.Contains(userAgent, n[0]) {
			return n[1]
		}
	}
	return ""
}
