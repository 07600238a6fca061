package config

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// YAML returns the effective configuration in the shape of its file, with
// secrets masked: of a URL what proves who we are, of others everything.
func (c *Config) YAML() ([]byte, error) {
	masked := *c
	masked.Email.Transports = make(map[string]Transport, len(c.Email.Transports))
	for name, transport := range c.Email.Transports {
		if transport.Config != nil {
			transport.Config = maskAny("", transport.Config).(map[string]any)
		}
		masked.Email.Transports[name] = transport
	}
	masked.Auth.Providers = make(map[string]Provider, len(c.Auth.Providers))
	for name, provider := range c.Auth.Providers {
		if provider.Config != nil {
			provider.Config = maskAny("", provider.Config).(map[string]any)
		}
		masked.Auth.Providers[name] = provider
	}
	masked.Telemetry.OTLPEndpoint = maskURLs(c.Telemetry.OTLPEndpoint)
	data, err := yaml.MarshalWithOptions(&masked,
		yaml.CustomMarshaler(func(s Secret) ([]byte, error) { return yaml.Marshal(maskSecret(s.Reveal())) }),
		yaml.CustomMarshaler(func(d time.Duration) ([]byte, error) { return yaml.Marshal(formatDuration(d)) }),
	)
	if err != nil {
		return nil, fmt.Errorf("print configuration: %w", err)
	}
	return data, nil
}

// formatDuration writes 5m where time.Duration writes 5m0s.
func formatDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// maskSecret shows what of a secret helps to find a mistake: of URLs all but
// what proves who we are, of everything else nothing.
func maskSecret(secret string) string {
	if secret == "" {
		return ""
	}
	if !strings.Contains(secret, "://") {
		return redacted
	}
	return maskURLs(secret)
}

// maskURLs masks a list of URLs; a text without one is returned as it is.
func maskURLs(text string) string {
	if !strings.Contains(text, "://") {
		return text
	}
	servers := strings.Split(text, ",")
	for i, server := range servers {
		u, err := url.Parse(strings.TrimSpace(server))
		if err != nil || u.Opaque != "" {
			return redacted
		}
		servers[i] = maskURL(u)
	}
	return strings.Join(servers, ",")
}

func maskURL(u *url.URL) string {
	if u.User != nil {
		name := u.User.Username()
		if _, ok := u.User.Password(); ok {
			u.User = url.UserPassword(name, redacted)
		} else if u.Scheme != "postgres" && u.Scheme != "postgresql" {
			// nats://TOKEN@host: a name alone is the secret.
			u.User = url.User(redacted)
		}
	}
	query := u.Query()
	for name := range query {
		if secretName(name) {
			query.Set(name, redacted)
		}
	}
	if len(query) > 0 {
		u.RawQuery = query.Encode()
	}
	// The brackets are no hint at a value; show them as they are meant.
	return strings.ReplaceAll(u.String(), url.QueryEscape(redacted), redacted)
}

// secretName reports whether a key of that name holds a secret.
func secretName(name string) bool {
	return regexp.MustCompile(`(?i)pass|secret|token|credential|authorization|private|(^|[_-])(api|access|account)?[_-]?key($|[_-])`).MatchString(name)
}

// maskAny masks a plugin's configuration, whose meaning only the plugin knows.
func maskAny(name string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, inner := range v {
			out[key] = maskAny(key, inner)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, inner := range v {
			out[i] = maskAny(name, inner)
		}
		return out
	case bool, nil:
		return v
	case string:
		if v != "" && secretName(name) {
			return redacted
		}
		return maskURLs(v)
	default:
		if secretName(name) {
			return redacted
		}
		return v
	}
}
