package app

import (
	"net/http"
	"strings"

	"gatehouse.example/gateway/config"
	"gatehouse.example/gateway/exchange"
	"gatehouse.example/internal/problem"
)

// challenges are the values of WWW-Authenticate (RFC 6750 §3) with the address
// of the metadata that says how to get a token (RFC 9728 §5.1).
type challenges struct{ metadata, missing, invalid, scope string }

func newChallenges(issuer string) challenges {
	var c challenges
	base := `Bearer realm="gatehouse"`
	if issuer != "" {
		c.metadata = `resource_metadata="` + strings.TrimSuffix(issuer, "/") + `/.well-known/oauth-protected-resource"`
		base += ", " + c.metadata
	}
	return challengesFrom(base, c.metadata)
}

// of returns the challenges of an exchange: a filter that looks for tokens may
// know realm and metadata better than the gateway.
func (c *challenges) of(ex *exchange.Exchange) challenges {
	if ex.Challenge == "" {
		return *c
	}
	base := ex.Challenge
	if c.metadata != "" && !strings.Contains(base, "resource_metadata=") {
		base += ", " + c.metadata
	}
	return challengesFrom(base, c.metadata)
}

func challengesFrom(base, metadata string) challenges {
	return challenges{
		metadata: metadata, missing: base,
		invalid: base + `, error="invalid_token"`, scope: base + `, error="insufficient_scope"`,
	}
}

// complete gives a 401 that a filter made a challenge (RFC 9110 §15.5.2
// demands one), and a Bearer challenge without it the address of the metadata,
// which the filter does not know. What an upstream answers stays as it is: only
// it knows what it asks for.
func (c *challenges) complete(resp *exchange.Response, answeredByFilter bool) {
	if !answeredByFilter || resp.Status != http.StatusUnauthorized {
		return
	}
	given := resp.Header.Get("WWW-Authenticate")
	switch {
	case given == "":
		resp.Header.Set("WWW-Authenticate", c.invalid)
	case c.metadata != "" && strings.HasPrefix(given, "Bearer ") && !strings.Contains(given, "resource_metadata="):
		resp.Header.Set("WWW-Authenticate", given+", "+c.metadata)
	}
}

// enforce returns the refusal of what require demands of the principal, or
// nil. It sets the challenge; the answer is the caller's.
func (p *pipeline) enforce(ex *exchange.Exchange, require *config.Require) *problem.Problem {
	if require == nil {
		return nil
	}
	if !ex.Principal.Authenticated() {
		challenge := p.challenge.of(ex).missing
		if presentedToken(&ex.Request.Header) {
			challenge = p.challenge.of(ex).invalid
		}
		ex.Response.Header.Set("WWW-Authenticate", challenge)
		return problem.New(http.StatusUnauthorized, "unauthenticated", "this path needs an access token or an API key")
	}
	for _, scope := range require.Scopes {
		if !ex.Principal.HasScope(scope) {
			ex.Response.Header.Set("WWW-Authenticate", p.challenge.of(ex).scope+`, scope="`+strings.Join(require.Scopes, " ")+`"`)
			return problem.Newf(http.StatusForbidden, "insufficient_scope", "this needs the scope %s", scope)
		}
	}
	if len(require.Roles) == 0 {
		return nil
	}
	for _, role := range require.Roles {
		if ex.Principal.HasRole(role) {
			return nil
		}
	}
	return problem.Newf(http.StatusForbidden, "insufficient_role", "this needs one of the roles %s", strings.Join(require.Roles, ", "))
}

// presentedToken reports whether the client sent a token, which then did not
// make it anybody.
func presentedToken(h *exchange.Header) bool {
	scheme, _, _ := strings.Cut(h.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "Bearer") || strings.EqualFold(scheme, "DPoP")
}
