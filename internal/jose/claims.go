package jose

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
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
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	if all == nil {
		return errors.New("claims are not an object")
	}
	*c = Claims{}
	var errs []error
	take := func(name string, read func(json.RawMessage) error, registered bool) {
		raw, ok := all[name]
		if !ok {
			return
		}
		switch err := read(raw); {
		case err == nil:
			delete(all, name)
		case registered:
			errs = append(errs, fmt.Errorf("claim %q: %w", name, err))
		}
	}
	take("iss", text(&c.Issuer), true)
	take("sub", text(&c.Subject), true)
	take("jti", text(&c.ID), true)
	take("aud", audience(&c.Audience), true)
	take("exp", date(&c.ExpiresAt), true)
	take("iat", date(&c.IssuedAt), true)
	take("nbf", date(&c.NotBefore), true)
	take("auth_time", date(&c.AuthTime), false)
	take("client_id", text(&c.ClientID), false)
	take("scope", text(&c.Scope), false)
	take("sid", text(&c.SessionID), false)
	take("nonce", text(&c.Nonce), false)
	take("roles", texts(&c.Roles), false)
	take("permissions", texts(&c.Permissions), false)
	if len(all) > 0 {
		c.Extra = all
	}
	return errors.Join(errs...)
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

func text(to *string) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
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
}

func texts(to *[]string) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
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
}

func audience(to *[]string) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
		if len(raw) > 0 && raw[0] == '"' {
			var one string
			if err := text(&one)(raw); err != nil {
				return err
			}
			*to = []string{one}
			return nil
		}
		return texts(to)(raw)
	}
}

// maxDate is past the year 9999, the last that RFC 3339 can write.
const maxDate = 1 << 38

// date reads a NumericDate, which may have a fraction (RFC 7519 §2).
func date(to *time.Time) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
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
}
