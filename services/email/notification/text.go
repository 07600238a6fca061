package notification

import (
	"regexp"
	"strings"

	"golang.org/x/text/language"
)

// The languages that built-in types are told in. The first is told to whoever
// asks for another.
var languages = []language.Tag{language.English, language.German}

var matcher = language.NewMatcher(languages)

// Languages returns the languages of the texts as BCP 47 tags, the default
// first.
func Languages() []string {
	tags := make([]string, 0, len(languages))
	for _, t := range languages {
		tags = append(tags, t.String())
	}
	return tags
}

// Language returns the best of [Languages] for an Accept-Language header (RFC
// 9110 §12.5.4) or a locale. It never fails: nonsense is the default.
func Language(accept string) string {
	_, at := language.MatchStrings(matcher, accept)
	return languages[at].String()
}

// wording is how a type is told. A sentence that refers to something that the
// notification does not know is left out.
type wording struct {
	title     string
	sentences []string
}

// wordings is by language and type, or type/REASON where the notification's
// data has that reason.
var wordings = map[string]map[string]wording{
	"en": {
		TypeNewDevice: {"New sign-in", []string{
			"Somebody signed in to your account on a new device: {device}.", "IP address: {address}.",
			"If this was not you, change your password and end that session."}},
		TypePasswordChanged: {"Your password was changed", []string{
			"Your password was changed.", "IP address: {address}.", "If this was not you, reset your password now."}},
		TypePasswordChanged + "/reset": {"Your password was reset", []string{
			"Your password was reset by a link that we sent to you.", "IP address: {address}.", "If this was not you, reset your password again and secure your mailbox."}},
		TypeEmailChanged: {"Your email address was changed", []string{
			"Your account has the address {email} now.", "It was {old_email}."}},
		TypeRolesChanged: {"Your roles have changed", []string{
			"You were given: {added}.", "You no longer have: {removed}."}},
		TypeIdentityLinked: {"New way to sign in", []string{
			"You can sign in with {provider} from now on.", "If this was not you, remove it from your account and change your password."}},
		TypeIdentityUnlinked: {"A way to sign in was removed", []string{
			"You can no longer sign in with {provider}."}},
		TypeKeyRevoked: {"An API key was revoked", []string{
			"Your API key {key_id} no longer works."}},
		TypeKeyRevoked + "/rotated": {"An API key was rotated", []string{
			"Your API key {key_id} was replaced by a new one."}},
	},
	"de": {
		TypeNewDevice: {"Neue Anmeldung", []string{
			"Bei Ihrem Konto hat sich jemand auf einem neuen Gerät angemeldet: {device}.", "IP-Adresse: {address}.",
			"Wenn Sie das nicht waren, ändern Sie Ihr Passwort und beenden Sie diese Sitzung."}},
		TypePasswordChanged: {"Ihr Passwort wurde geändert", []string{
			"Ihr Passwort wurde geändert.", "IP-Adresse: {address}.", "Wenn Sie das nicht waren, setzen Sie Ihr Passwort sofort zurück."}},
		TypePasswordChanged + "/reset": {"Ihr Passwort wurde zurückgesetzt", []string{
			"Ihr Passwort wurde über einen Link zurückgesetzt, den wir Ihnen geschickt haben.", "IP-Adresse: {address}.", "Wenn Sie das nicht waren, setzen Sie es erneut zurück und sichern Sie Ihr Postfach."}},
		TypeEmailChanged: {"Ihre E-Mail-Adresse wurde geändert", []string{
			"Ihr Konto hat jetzt die Adresse {email}.", "Bisher war es {old_email}."}},
		TypeRolesChanged: {"Ihre Rollen haben sich geändert", []string{
			"Neu: {added}.", "Nicht mehr: {removed}."}},
		TypeIdentityLinked: {"Neue Anmeldemöglichkeit", []string{
			"Sie können sich ab jetzt mit {provider} anmelden.", "Wenn Sie das nicht waren, entfernen Sie sie aus Ihrem Konto und ändern Sie Ihr Passwort."}},
		TypeIdentityUnlinked: {"Anmeldemöglichkeit entfernt", []string{
			"Sie können sich nicht mehr mit {provider} anmelden."}},
		TypeKeyRevoked: {"Ein API-Schlüssel wurde widerrufen", []string{
			"Ihr API-Schlüssel {key_id} gilt nicht mehr."}},
		TypeKeyRevoked + "/rotated": {"Ein API-Schlüssel wurde ersetzt", []string{
			"Ihr API-Schlüssel {key_id} wurde durch einen neuen ersetzt."}},
	},
}

var placeholder = regexp.MustCompile(`\{[a-z_]+\}`)

// Text returns title and body in one of [Languages]. What an API client wrote
// is returned as it is, and a type that is not known here, of a newer process,
// by its name.
func (n Notification) Text(language string) (title, body string) {
	if n.Title != "" {
		return n.Title, n.Body
	}
	known, ok := wordings[language]
	if !ok {
		language = Languages()[0]
		known = wordings[language]
	}
	w, ok := known[n.Type+"/"+n.Data["reason"]]
	if !ok {
		w, ok = known[n.Type]
	}
	if !ok {
		return n.Type, ""
	}
	var told []string
	for _, s := range w.sentences {
		complete := true
		s = placeholder.ReplaceAllStringFunc(s, func(name string) string {
			value := n.value(name[1:len(name)-1], language)
			complete = complete && value != ""
			return value
		})
		if complete {
			told = append(told, s)
		}
	}
	return w.title, strings.Join(told, " ")
}

// value returns what a placeholder stands for.
func (n Notification) value(name, language string) string {
	if name == "device" {
		return Device(n.Data["user_agent"], language)
	}
	return n.Data[name]
}
