package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"

	"github.com/coreos/go-oidc/v3/oidc"

	"gatehouse.example/sdk/social"
)

// config is the plugin's configuration.
type config struct {
	// Issuer is the provider's identifier: an https URL, spelled exactly as
	// the provider spells it. Discovery is below it.
	Issuer string `json:"issuer"`
	// ClientID and ClientSecret are what the provider gave the operator at
	// registration. Without a secret the client is public (PKCE alone).
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	// TokenEndpointAuthMethod is client_secret_basic, client_secret_post or
	// none; "" takes what discovery offers, basic first.
	TokenEndpointAuthMethod string `json:"token_endpoint_auth_method"`
	// Scopes are asked for; "" means openid, email, profile. openid is always
	// among them.
	Scopes []string `json:"scopes"`
	// EmailVerifiedDefault is taken where the provider says nothing about
	// email_verified. Only for providers that verify every address.
	EmailVerifiedDefault bool `json:"email_verified_default"`
	// AllowLoopbackHTTP permits an http issuer on this machine, for tests and
	// development.
	AllowLoopbackHTTP bool `json:"allow_loopback_http"`
}

const (
	methodBasic = "client_secret_basic"
	methodPost  = "client_secret_post"
	methodNone  = "none"
)

func decodeConfig(raw json.RawMessage) (config, error) {
	c := config{}
	if err := social.DecodeConfig(raw, &c); err != nil {
		return config{}, err
	}
	if err := c.checkURL(c.Issuer); err != nil {
		return config{}, fmt.Errorf("issuer: %w", err)
	}
	if c.ClientID == "" {
		return config{}, errors.New("client_id is missing")
	}
	switch c.TokenEndpointAuthMethod {
	case "":
		if c.ClientSecret == "" {
			c.TokenEndpointAuthMethod = methodNone
		}
	case methodBasic, methodPost:
		if c.ClientSecret == "" {
			return config{}, fmt.Errorf("token_endpoint_auth_method %s needs a client_secret", c.TokenEndpointAuthMethod)
		}
	case methodNone:
		if c.ClientSecret != "" {
			return config{}, errors.New("token_endpoint_auth_method none leaves the client_secret unused: remove one of them")
		}
	default:
		return config{}, fmt.Errorf("token_endpoint_auth_method %q: want client_secret_basic, client_secret_post or none", c.TokenEndpointAuthMethod)
	}
	if len(c.Scopes) == 0 {
		c.Scopes = []string{oidc.ScopeOpenID, "email", "profile"}
	}
	if !slices.Contains(c.Scopes, oidc.ScopeOpenID) {
		c.Scopes = append([]string{oidc.ScopeOpenID}, c.Scopes...)
	}
	return c, nil
}

// checkURL refuses an address to which secrets would travel in the clear.
func (c config) checkURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil {
		return errors.New("it is not a URL") // and may hold a password: it is not repeated
	}
	if u.Host == "" || u.User != nil || u.Fragment != "" {
		return fmt.Errorf("%q is not an absolute URL without user and fragment", u.Redacted())
	}
	if u.Scheme == "https" || (u.Scheme == "http" && c.AllowLoopbackHTTP && isLoopback(u.Hostname())) {
		return nil
	}
	return fmt.Errorf("%q is not an https URL (http needs allow_loopback_http and an address of this machine)", raw)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}
