package telemetry

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
)

const redacted = "[redacted]"

// secretNames are attributes that hold a secret, whatever they are part of.
// Names are compared in lower case and with "_" for "-".
var secretNames = [...]string{
	"authorization", "proxy_authorization", "cookie", "set_cookie", "password", "passphrase",
	"secret", "token", "code", "key", "credential", "credentials", "otp", "dpop",
	"api_key", "apikey", "x_api_key", "code_verifier", "client_assertion", "assertion",
	"signature", "session", "csrf", "link", "bearer",
}

// secretEnds end the names of further ones: client_secret, refresh_token.
var secretEnds = [...]string{"_secret", "_token", "_password", "_key", "_code", "_cookie", "_credential", "secret", "password"}

func secretName(name string) bool {
	name = strings.ReplaceAll(strings.ToLower(name), "-", "_")
	for _, secret := range secretNames {
		if name == secret {
			return true
		}
	}
	if name == "status_code" {
		return false
	}
	for _, end := range secretEnds {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// credential matches what a credential looks like, wherever it stands: an
// authorization header, a JWT, one of our API keys, a password in a URL, and a
// secret parameter in a query or form.
var credential = regexp.MustCompile(
	`(?i:\b(?:bearer|basic|dpop)\s+)[A-Za-z0-9._~+/=-]{8,}` +
		`|\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?` +
		`|\bgatehouse_[a-z0-9-]+_[A-Za-z0-9-]+_[A-Za-z0-9_-]+` +
		`|://[^/\s:@]*:[^/\s@]+@` +
		`|(?i:\b(?:code|[a-z_]*token|[a-z_]*secret|password|code_verifier|client_assertion)=)[^&\s"']+`)

func redactText(text string) string {
	return credential.ReplaceAllStringFunc(text, func(match string) string {
		switch i := strings.IndexAny(match, " =:"); {
		case strings.HasPrefix(match, "://"):
			return "://" + redacted + "@"
		case i > 0 && match[i] != ':':
			return match[:i+1] + redacted
		default:
			return redacted
		}
	})
}

// redactAttr is the ReplaceAttr of every handler here.
func redactAttr(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
		return a
	}
	hidden := secretName(a.Key)
	for _, group := range groups {
		hidden = hidden || secretName(group)
	}
	a.Value = a.Value.Resolve()
	if hidden {
		// An empty secret says that it is missing, which is worth knowing.
		if a.Value.Kind() != slog.KindString || a.Value.String() != "" {
			a.Value = slog.StringValue(redacted)
		}
		return a
	}
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(redactText(a.Value.String()))
	case slog.KindAny:
		a.Value = redactAny(a.Value.Any())
	}
	return a
}

// redactAny redacts a value that slog would format itself: errors and whatever
// has fields of its own.
func redactAny(v any) slog.Value {
	switch v := v.(type) {
	case nil:
		return slog.AnyValue(nil)
	case error:
		return slog.StringValue(redactText(v.Error()))
	case fmt.Stringer:
		return slog.StringValue(redactText(v.String()))
	case []byte:
		return slog.StringValue(redactText(string(v)))
	}
	data, err := json.Marshal(v)
	if err != nil {
		return slog.StringValue(redactText(fmt.Sprintf("%T", v)))
	}
	var tree any
	if err := json.Unmarshal(data, &tree); err != nil {
		return slog.StringValue(fmt.Sprintf("%T", v))
	}
	return slog.AnyValue(redactTree(tree))
}

func redactTree(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			if secretName(name) {
				v[name] = redacted
			} else {
				v[name] = redactTree(inner)
			}
		}
	case []any:
		for i := range v {
			v[i] = redactTree(v[i])
		}
	case string:
		return redactText(v)
	}
	return v
}
