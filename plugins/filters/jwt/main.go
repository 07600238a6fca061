// Command jwt is the built-in filter that authenticates requests by access
// token (RFC 6750, RFC 9068).
//
// The token is read and verified by the gateway (jwt_verify); the filter says
// which issuers and audiences count, and answers as RFC 6750 §3 asks.
package main

import (
	"errors"
	"strings"

	"gatehouse.example/sdk/filter"
)

// Config is the configuration of the filter.
type Config struct {
	Issuers          []filter.Issuer `json:"issuers" doc:"whose tokens count; default: self for the audience gatehouse"`
	Claims           []string        `json:"claims" doc:"claims that become attributes claim.NAME"`
	Realm            string          `json:"realm" doc:"realm of the challenge"`
	ResourceMetadata string          `json:"resource_metadata" doc:"URL of the protected resource's metadata (RFC 9728), named in challenges"`
}

type jwt struct {
	tokens *filter.Tokens
	// Complete challenges, made once.
	invalid, expired, revoked, malformed string
}

func newFilter(s *filter.Setup, c Config) (*jwt, error) {
	if len(c.Issuers) == 0 {
		c.Issuers = []filter.Issuer{{Issuer: "self", Audience: []string{"gatehouse"}}}
	}
	for _, text := range []string{c.Realm, c.ResourceMetadata} {
		if strings.ContainsAny(text, "\"\\\r\n") {
			return nil, errors.New("config: realm and resource_metadata: quotes, backslashes and line breaks are not allowed")
		}
	}
	tokens, err := s.Tokens(filter.TokenPolicy{Issuers: c.Issuers, Claims: c.Claims})
	if err != nil {
		return nil, err
	}
	return &jwt{
		tokens:    tokens,
		invalid:   challenge(c, "invalid_token", "The access token is not valid here"),
		expired:   challenge(c, "invalid_token", "The access token expired"),
		revoked:   challenge(c, "invalid_token", "The access token was revoked"),
		malformed: challenge(c, "invalid_request", "More than one credential"),
	}, nil
}

// challenge is a WWW-Authenticate value (RFC 6750 §3) with resource_metadata
// (RFC 9728 §5.1).
func challenge(c Config, code, description string) string {
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

// HandleRequest lets a request without a token pass: whether somebody has to
// act is the route's require.
func (f *jwt) HandleRequest(r *filter.Request) filter.Action {
	switch r.VerifyToken(f.tokens) {
	case filter.StatusOK, filter.StatusAbsent:
		return filter.Next
	case filter.StatusConflict:
		r.SetResponseHeader("WWW-Authenticate", f.malformed)
		return r.Problem(400, "Bad Request", "several_credentials", "Send an access token or an API key, not both.")
	case filter.StatusUnavailable:
		r.SetResponseHeader("Retry-After", "1")
		return r.Problem(503, "Service Unavailable", "unavailable", "Access tokens cannot be verified at the moment.")
	case filter.StatusExpired:
		return f.refuse(r, f.expired, "The access token expired.")
	case filter.StatusRevoked:
		return f.refuse(r, f.revoked, "The access token was revoked.")
	default:
		return f.refuse(r, f.invalid, "The access token is not valid here.")
	}
}

func (f *jwt) refuse(r *filter.Request, challenge, detail string) filter.Action {
	r.SetResponseHeader("WWW-Authenticate", challenge)
	return r.Problem(401, "Unauthorized", "invalid_token", detail)
}

var _ = filter.Register("jwt", newFilter, filter.Needs("jwt"))

func main() {}
