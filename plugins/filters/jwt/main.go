// Command jwt is the built-in filter that authenticates requests by access
// token (RFC 6750, RFC 9068).
//
// The token is read and verified by the gateway (jwt_verify); the filter says
// which issuers and audiences count, hands claims to the upstream, and answers
// as RFC 6750 §3 asks. Whether somebody has to act at all, and with which
// scopes, is the route's require.
package main

import (
	"slices"

	"gatehouse.example/sdk/filter"
)

// Config is the configuration of the filter.
type Config struct {
	Issuers          []filter.Issuer   `json:"issuers" doc:"whose tokens count; default: self for the audience gatehouse"`
	Claims           []string          `json:"claims" doc:"claims that become attributes claim.NAME; dots lead into objects"`
	Headers          map[string]string `json:"headers" doc:"request header fields that the upstream gets from claims, by their names; what a client sends in them is always removed"`
	Realm            string            `json:"realm" doc:"realm of the challenge"`
	ResourceMetadata string            `json:"resource_metadata" doc:"URL of the protected resource's metadata (RFC 9728), named in challenges"`
}

type jwt struct {
	tokens  *filter.Tokens
	forward []forwarded
	// Complete challenges, made once.
	invalid, expired, revoked, bound, malformed string
}

func newFilter(s *filter.Setup, c Config) (*jwt, error) {
	if len(c.Issuers) == 0 {
		c.Issuers = []filter.Issuer{{Issuer: "self", Audience: []string{"gatehouse"}}}
	}
	if err := checkChallenge(&c); err != nil {
		return nil, err
	}
	forward, err := readHeaders(c.Headers)
	if err != nil {
		return nil, err
	}
	claims := slices.Clone(c.Claims)
	for _, h := range forward {
		if !slices.Contains(claims, h.claim) {
			claims = append(claims, h.claim)
		}
	}
	tokens, err := s.Tokens(filter.TokenPolicy{Issuers: c.Issuers, Claims: claims, Challenge: c.challenge()})
	if err != nil {
		return nil, err
	}
	return &jwt{
		tokens:    tokens,
		forward:   forward,
		invalid:   challenge(&c, "invalid_token", "The access token is not valid here"),
		expired:   challenge(&c, "invalid_token", "The access token expired"),
		revoked:   challenge(&c, "invalid_token", "The access token was revoked"),
		bound:     challenge(&c, "invalid_token", "Tokens that are bound to a key are not accepted here"),
		malformed: challenge(&c, "invalid_request", "More than one credential"),
	}, nil
}

// HandleRequest lets a request without a token pass as nobody's.
func (f *jwt) HandleRequest(r *filter.Request) filter.Action {
	switch r.VerifyToken(f.tokens) {
	case filter.StatusOK:
		f.forwardClaims(r, true)
		return filter.Next
	case filter.StatusAbsent:
		f.forwardClaims(r, false)
		return filter.Next
	case filter.StatusConflict:
		r.SetResponseHeader("WWW-Authenticate", f.malformed)
		return r.Problem(400, "Bad Request", "several_credentials", "Send one credential: an access token or an API key.")
	case filter.StatusUnavailable:
		r.SetResponseHeader("Retry-After", "1")
		return r.Problem(503, "Service Unavailable", "unavailable", "Access tokens cannot be verified at the moment.")
	case filter.StatusExpired:
		return f.refuse(r, f.expired, "The access token expired.")
	case filter.StatusRevoked:
		return f.refuse(r, f.revoked, "The access token was revoked.")
	case filter.StatusForbidden:
		return f.refuse(r, f.bound, "Tokens that are bound to a key (DPoP, mutual TLS) are not accepted here; send a bearer token.")
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
