// Package device owns the words for the device of a sign-in, such as "Firefox
// on Linux", from what its browser says that it is.
//
// It knows the common browsers and systems alone and says so of others: the
// words help a person to recognise an own device and decide nothing. A library
// for all of them is a list of thousands of models that nobody signs in with.
package device

import "strings"

// name is the text by which something makes itself known, and its name.
type name struct{ token, name string }

// browsers are in an order in which the first that is found is the one: most
// claim to be their ancestors too.
var browsers = []name{
	{"Edg/", "Edge"}, {"EdgA/", "Edge"}, {"EdgiOS/", "Edge"},
	{"OPR/", "Opera"}, {"OPT/", "Opera"},
	{"SamsungBrowser/", "Samsung Internet"},
	{"Vivaldi/", "Vivaldi"}, {"YaBrowser/", "Yandex Browser"}, {"DuckDuckGo/", "DuckDuckGo"}, {"UCBrowser/", "UC Browser"},
	{"FxiOS/", "Firefox"}, {"Firefox/", "Firefox"},
	{"CriOS/", "Chrome"}, {"Chrome/", "Chrome"}, {"Chromium/", "Chromium"},
	{"Safari/", "Safari"},
	{"curl/", "curl"}, {"Go-http-client/", "A Go program"}, {"python-requests/", "A Python program"},
}

var systems = []name{
	{"iPhone", "iPhone"}, {"iPad", "iPad"},
	{"Android", "Android"}, {"CrOS", "ChromeOS"},
	{"Windows", "Windows"}, {"Macintosh", "macOS"}, {"Mac OS X", "macOS"},
	{"FreeBSD", "FreeBSD"}, {"OpenBSD", "OpenBSD"}, {"Linux", "Linux"},
}

// Unknown is the label of a device that says nothing that is known here.
const Unknown = "Unknown device"

// Label returns the words for a User-Agent: "Firefox on Linux", or less where
// less is known.
func Label(userAgent string) string {
	browser, system := find(browsers, userAgent), find(systems, userAgent)
	switch {
	case browser != "" && system != "":
		return browser + " on " + system
	case browser != "":
		return browser
	case system != "":
		return system
	}
	return Unknown
}

func find(names []name, userAgent string) string {
	for _, n := range names {
		if strings.Contains(userAgent, n.token) {
			return n.name
		}
	}
	return ""
}
