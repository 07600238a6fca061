package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"

	"gatehouse.example/sdk/social"
)

// claims are the standard claims that become an identity (OpenID Connect Core
// §5.1).
type claims struct {
	AuthorizedParty   string `json:"azp"`
	Email             string `json:"email"`
	EmailVerified     *truth `json:"email_verified"`
	Name              string `json:"name"`
	GivenName         string `json:"given_name"`
	FamilyName        string `json:"family_name"`
	PreferredUsername string `json:"preferred_username"`
	Picture           string `json:"picture"`
	Locale            string `json:"locale"`

	raw map[string]any
}

// truth is a boolean that some providers write as a string.
type truth bool

// UnmarshalJSON implements [json.Unmarshaler].
func (t *truth) UnmarshalJSON(data []byte) error {
	switch string(data) {
	case `true`, `"true"`:
		*t = true
	case `false`, `"false"`, `null`:
		*t = false
	default:
		return fmt.Errorf("email_verified is %.20s, want true or false", data)
	}
	return nil
}

// read decodes the claims by the library's function.
func (c *claims) read(decode func(any) error) error {
	if err := decode(c); err != nil {
		return err
	}
	return decode(&c.raw)
}

// fill takes address and profile from userinfo where the ID token has none.
// The address and its verification stay together.
func (c *claims) fill(more claims) {
	c.Email, c.EmailVerified = more.Email, more.EmailVerified
	for _, pair := range [][2]*string{
		{&c.Name, &more.Name},
		{&c.GivenName, &more.GivenName},
		{&c.FamilyName, &more.FamilyName},
		{&c.PreferredUsername, &more.PreferredUsername},
		{&c.Picture, &more.Picture},
		{&c.Locale, &more.Locale},
	} {
		if *pair[0] == "" {
			*pair[0] = *pair[1]
		}
	}
	for name, value := range more.raw {
		if _, ok := c.raw[name]; !ok {
			c.raw[name] = value
		}
	}
}

func (c *claims) identity(issuer, subject string, verifiedDefault bool) social.Identity {
	who := social.Identity{
		Issuer: issuer, Subject: subject, Email: c.Email, EmailVerified: verifiedDefault,
		Name: c.Name, GivenName: c.GivenName, FamilyName: c.FamilyName, PreferredUsername: c.PreferredUsername,
		Picture: c.Picture, Locale: strings.ReplaceAll(c.Locale, "_", "-"),
	}
	if c.EmailVerified != nil {
		who.EmailVerified = bool(*c.EmailVerified)
	}
	if who.Email == "" {
		who.EmailVerified = false
	}
	if raw, err := json.Marshal(c.raw); err == nil {
		who.Claims = raw
	}
	return who
}

// isUnreachable reports whether err comes from the way to the provider rather
// than from what it said.
func isUnreachable(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		strings.Contains(err.Error(), "fetching keys")
}
