package main

import (
	"errors"
	"strings"
)

// checkChallenge reports what cannot stand in a challenge.
func checkChallenge(c *Config) error {
	if !quotable(c.Realm) {
		return errors.New("config/realm: want printable ASCII without quotes and backslashes")
	}
	if !quotable(c.ResourceMetadata) || strings.Contains(c.ResourceMetadata, " ") {
		return errors.New("config/resource_metadata: want a URL")
	}
	if u := c.ResourceMetadata; u != "" && !strings.HasPrefix(u, "https://") && !strings.HasPrefix(u, "http://") {
		return errors.New("config/resource_metadata: want an https URL (RFC 9728 §1.2)")
	}
	return nil
}

// quotable reports whether text may stand between quotes as it is (RFC 9110
// §5.6.4).
func quotable(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// challenge is the beginning of a challenge of this realm, for the gateway; ""
// where nothing is configured.
func (c *Config) challenge() string {
	var parameters []string
	if c.Realm != "" {
		parameters = append(parameters, `realm="`+c.Realm+`"`)
	}
	if c.ResourceMetadata != "" {
		parameters = append(parameters, `resource_metadata="`+c.ResourceMetadata+`"`)
	}
	if len(parameters) == 0 {
		return ""
	}
	return "Bearer " + strings.Join(parameters, ", ")
}

// challenge is a WWW-Authenticate value (RFC 6750 §3) with resource_metadata
// (RFC 9728 §5.1).
func challenge(c *Config, code, description string) string {
	var b strings.Builder
	b.WriteString("Bearer ")
	if c.Realm != "" {
		b.WriteString(`realm="` + c.Realm + `", `)
	}
	b.WriteString(`error="` + code + `", error_description="` + description + `"`)
	if c.ResourceMetadata != "" {
		b.WriteString(`, resource_metadata="` + c.ResourceMetadata + `"`)
	}
	return b.String()
}
