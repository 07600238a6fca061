package jose

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Claims are the claims of a token that Gatehouse knows (RFC 7519 §4.1, RFC
// 9068 §2.2, OpenID Connect Core §2). Zero values are left out.
type Claims struct {
	// Issuer is "iss".
	Issuer string
	// Subject is "sub".
	Subject string
	// ClientID is "client_id".
	ClientID string
	// Scope is "scope": scopes separated by spaces.
	Scope string
	// SessionID is "sid".
	SessionID string
	// ID is "jti".
	ID string
	// Nonce is "nonce".
	Nonce string
	// Audience is "aud", which a token may also hold as one text.
	Audience []string
	// Roles is "roles".
	Roles []string
	// Permissions is "permissions".
	Permissions []string
	// ExpiresAt is "exp".
	ExpiresAt time.Time
	// IssuedAt is "iat".
	IssuedAt time.Time
	// NotBefore is "nbf".
	NotBefore time.Time
	// AuthTime is "auth_time".
	AuthTime time.Time
	// Extra holds every other claim, and those above that another issuer uses
	// for something of another type. It cannot override a field.
	Extra map[string]json.RawMessage
}

var (
	_ json.Marshaler   = Claims{}
	_ json.Unmarshaler = (*Claims)(nil)
)

// MarshalJSON writes the claims as a JWT claims set.
func (c Claims) MarshalJSON() ([]byte, error) {
	out := make(map[string]any, len(c.Extra)+12)
	for name, value := range maps.All(c.Extra) {
		out[name] = value
	}
	for name, value := range map[string]string{
		"iss": c.Issuer, "sub": c.Subject, "client_id": c.ClientID, "scope": c.Scope,
		"sid": c.SessionID, "jti": c.ID, "nonce": c.Nonce,
	} {
		if value != "" {
			out[name] = value
		}
	}
	for name, value := range map[string]time.Time{
		"exp": c.ExpiresAt, "iat": c.IssuedAt, "nbf": c.NotBefore, "auth_time": c.AuthTime,
	} {
		if !value.IsZero() {
			out[name] = value.Unix()
		}
	}
	if len(c.Audience) > 0 {
		out["aud"] = c.Audience
	}
	if len(c.Roles) > 0 {
		out["roles"] = c.Roles
	}
	if len(c.Permissions) > 0 {
		out["permissions"] = c.Permissions
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads a JWT claims set. The registered claims (RFC 7519 §4.1)
// must be of the type that the RFC gives them; the others go to Extra if they
// are not.
func (c *Claims) UnmarshalJSON(data []byte) error {
	if err := c.read(data); err != nil {
		return err
	}
	for name, raw := range c.Extra {
		c.Extra[name] = bytes.Clone(raw) // data is the caller's
	}
	return nil
}

// read is UnmarshalJSON, but that Extra holds parts of data.
func (c *Claims) read(data []byte) error {
	all, err := members(data)
	if err != nil {
		return fmt.Errorf("claims: %w", err)
	}
	*c = Claims{}
	err = errors.Join(
		take(all, "iss", &c.Issuer, text),
		take(all, "sub", &c.Subject, text),
		take(all, "jti", &c.ID, text),
		take(all, "aud", &c.Audience, audience),
		take(all, "exp", &c.ExpiresAt, date),
		take(all, "iat", &c.IssuedAt, date),
		take(all, "nbf", &c.NotBefore, date),
	)
	// Another issuer may use these for something else, which stays in Extra.
	_ = take(all, "auth_time", &c.AuthTime, date)
	_ = take(all, "client_id", &c.ClientID, text)
	_ = take(all, "scope", &c.Scope, text)
	_ = take(all, "sid", &c.SessionID, text)
	_ = take(all, "nonce", &c.Nonce, text)
	_ = take(all, "roles", &c.Roles, texts)
	_ = take(all, "permissions", &c.Permissions, texts)
	if len(all) > 0 {
		c.Extra = all
	}
	return err
}

// take moves a claim to where it belongs, if it is of the right type.
func take[T any](all map[string]json.RawMessage, name string, to *T, read func(*T, json.RawMessage) error) error {
	raw, ok := all[name]
	if !ok {
		return nil
	}
	if err := read(to, raw); err != nil {
		return fmt.Errorf("claim %q: %w", name, err)
	}
	delete(all, name)
	return nil
}

// plain returns what is between the quotes of a text that is valid JSON, where
// that is all that it stands for. Most texts of a token are, and reading them
// so spares an allocation or two each.
func plain(raw json.RawMessage) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	inner := raw[1 : len(raw)-1]
	if bytes.IndexByte(inner, '\\') >= 0 || !utf8.Valid(inner) {
		return "", false
	}
	return string(inner), true
}

func text(to *string, raw json.RawMessage) error {
	if s, ok := plain(raw); ok {
		*to = s
		return nil
	}
	var v *string
	if err := json.Unmarshal(raw, &v); err != nil || v == nil {
		return errors.New("is not a text")
	}
	*to = *v
	return nil
}

func texts(to *[]string, raw json.RawMessage) error {
	if raw[0] == '[' {
		// One text without anything around it is what most lists are.
		if one, ok := plain(raw[1 : len(raw)-1]); ok && strings.IndexByte(one, '"') < 0 {
			*to = []string{one}
			return nil
		}
	}
	var v []*string
	if err := json.Unmarshal(raw, &v); err != nil || v == nil {
		return errors.New("is not a list of texts")
	}
	list := make([]string, len(v))
	for i, item := range v {
		if item == nil {
			return errors.New("is not a list of texts")
		}
		list[i] = *item
	}
	*to = list
	return nil
}

func audience(to *[]string, raw json.RawMessage) error {
	if raw[0] != '"' {
		return texts(to, raw)
	}
	var one string
	if err := text(&one, raw); err != nil {
		return err
	}
	*to = []string{one}
	return nil
}

// maxDate is past the year 9999, the last that RFC 3339 can write.
const maxDate = 1 << 38

// date reads a NumericDate, which may have a fraction (RFC 7519 §2).
func date(to *time.Time, raw json.RawMessage) error {
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil && n >= 0 && n <= maxDate {
		*to = time.Unix(n, 0).UTC()
		return nil
	}
	var v *float64
	if err := json.Unmarshal(raw, &v); err != nil || v == nil || *v < 0 || *v > maxDate {
		return errors.New("is not a time")
	}
	*to = time.Unix(int64(*v), 0).UTC()
	return nil
}
