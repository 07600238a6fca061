package filter

import (
	"slices"
	"time"

	"gatehouse.example/sdk/filter/internal/jsonconf"
)

// Issuer is an issuer of access tokens. It can stand in a filter's
// configuration as it is. The gateway fetches and reads only URLs and files
// that stand there.
type Issuer struct {
	// Issuer is the issuer identifier (RFC 8414 §2); "self" is the one that
	// this gateway stands in front of, of which only Audience and
	// RequiredClaims are asked. Where neither of JWKSURI, JWKSFile and
	// Introspection is given, its keys are found by its metadata.
	Issuer string `json:"issuer" required:"true" doc:"issuer identifier; self is Gatehouse's own"`
	// Audience lists the audiences of which a token has to name one.
	Audience []string `json:"audience" required:"true" doc:"a token has to name one of these"`
	// JWKSURI is where its keys are.
	JWKSURI string `json:"jwks_uri" doc:"URL of its key set; default: what its metadata says"`
	// JWKSFile is a file that holds its keys; it is read again when it changes.
	JWKSFile string `json:"jwks_file" doc:"file with its key set, in place of jwks_uri"`
	// Algorithms lists the accepted signature algorithms; empty accepts RS, PS
	// and ES256 to 512, and EdDSA.
	Algorithms []string `json:"algorithms" doc:"accepted signature algorithms; default: RS, PS and ES256 to 512, EdDSA"`
	// Types lists the accepted media types in "typ"; "" is a token without. By
	// default they are those of access tokens (RFC 9068 §2.1).
	Types []string `json:"types" doc:"accepted typ, an empty text for none; default: at+jwt"`
	// Leeway is how far clocks may differ; nil means five seconds.
	Leeway *Duration `json:"leeway" doc:"how far clocks may differ; default: 5s"`
	// RequiredClaims lists claims that a token must have, and what they may be:
	// an empty list means anything.
	RequiredClaims map[string][]string `json:"required_claims" doc:"claims that a token must have, with the values they may have; none: any"`
	// RolesClaim names the claim that holds roles; "" means that this issuer
	// gives none.
	RolesClaim string `json:"roles_claim" doc:"claim that holds roles, for example realm_access.roles"`
	// Introspection says whom to ask about tokens that are no JWT, or about all
	// where neither JWKSURI nor JWKSFile is given.
	Introspection *Introspection `json:"introspection" doc:"whom to ask about opaque tokens (RFC 7662)"`
}

// Introspection is an endpoint that says whether tokens are active (RFC 7662).
type Introspection struct {
	// Endpoint is its URL.
	Endpoint string `json:"endpoint" required:"true" doc:"URL of the introspection endpoint"`
	// ClientID is the client that the gateway asks as (client_secret_basic).
	ClientID string `json:"client_id" required:"true" doc:"client that the gateway asks as"`
	// ClientSecretFile is a file that holds the client's secret.
	ClientSecretFile string `json:"client_secret_file" required:"true" doc:"file that holds the client's secret"`
	// Cache is how long an answer counts, never past the token's end; nil means
	// 30 seconds, zero asks each time. A revocation shows after that time.
	Cache *Duration `json:"cache" doc:"how long an answer counts; default: 30s"`
	// AllowNoAudience accepts an answer that names no audience.
	AllowNoAudience bool `json:"allow_no_audience" doc:"accept answers without aud"`
}

// TokenPolicy says which access tokens count.
type TokenPolicy struct {
	// Issuers are tried by a token's iss.
	Issuers []Issuer
	// Claims become attributes "claim.NAME" where a token has them as a string,
	// number or boolean, or as a list of those, which is written with commas.
	// Dots lead into objects: "realm_access.roles".
	Claims []string
	// Challenge begins the challenge of a route that needs somebody, where nobody
	// is: "Bearer realm=\"shop\"". Empty leaves it to the gateway.
	Challenge string
}

// Tokens verifies access tokens by a policy; see [Request.VerifyToken].
type Tokens struct{ policy int32 }

// Tokens makes a verifier. It needs the grant "jwt".
//
// # Errors
//
// An issuer that cannot be used, as "config/issuers/0/audience: ..."; see
// [Setup].
func (s *Setup) Tokens(p TokenPolicy) (*Tokens, error) {
	b := []byte(`{"issuers":[`)
	for i := range p.Issuers {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendIssuer(b, &p.Issuers[i])
	}
	b = appendStrings(append(b, `],"claims":`...), p.Claims)
	if p.Challenge != "" {
		b = jsonconf.AppendString(append(b, `,"challenge":`...), p.Challenge)
	}
	b = append(b, '}')
	policy := s.host.TokenPolicy(b)
	if policy < 0 {
		return nil, s.refusedPolicy("token policy", "issuers", "claims")
	}
	return &Tokens{policy}, nil
}

func appendIssuer(b []byte, issuer *Issuer) []byte {
	b = jsonconf.AppendString(append(b, `{"issuer":`...), issuer.Issuer)
	b = appendStrings(append(b, `,"audience":`...), issuer.Audience)
	b = appendText(b, "jwks_uri", issuer.JWKSURI)
	b = appendText(b, "jwks_file", issuer.JWKSFile)
	b = appendText(b, "roles_claim", issuer.RolesClaim)
	if len(issuer.Algorithms) > 0 {
		b = appendStrings(append(b, `,"algorithms":`...), issuer.Algorithms)
	}
	if len(issuer.Types) > 0 {
		b = appendStrings(append(b, `,"types":`...), issuer.Types)
	}
	b = appendDuration(b, "leeway", issuer.Leeway)
	if len(issuer.RequiredClaims) > 0 {
		b = append(b, `,"required_claims":{`...)
		// Sorted, so that equal policies are equal texts and share their tokens.
		names := make([]string, 0, len(issuer.RequiredClaims))
		for name := range issuer.RequiredClaims {
			names = append(names, name)
		}
		slices.Sort(names)
		for i, name := range names {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendStrings(append(jsonconf.AppendString(b, name), ':'), issuer.RequiredClaims[name])
		}
		b = append(b, '}')
	}
	if in := issuer.Introspection; in != nil {
		b = jsonconf.AppendString(append(b, `,"introspection":{"endpoint":`...), in.Endpoint)
		b = appendText(b, "client_id", in.ClientID)
		b = appendText(b, "client_secret_file", in.ClientSecretFile)
		b = appendDuration(b, "cache", in.Cache)
		if in.AllowNoAudience {
			b = append(b, `,"allow_no_audience":true`...)
		}
		b = append(b, '}')
	}
	return append(b, '}')
}

// appendText appends a member, unless its value is empty.
func appendText(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(append(append(b, `,"`...), name...), `":`...)
	return jsonconf.AppendString(b, value)
}

func appendDuration(b []byte, name string, d *Duration) []byte {
	if d == nil {
		return b
	}
	return appendText(b, name, time.Duration(*d).String())
}

func appendStrings(b []byte, list []string) []byte {
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsonconf.AppendString(b, s)
	}
	return append(b, ']')
}

// VerifyToken verifies the request's Authorization: Bearer by the policy. With
// StatusOK the gateway knows the principal. The filter need not see the token.
// StatusForbidden means a token that is bound to a key.
func (r *Request) VerifyToken(t *Tokens) Status { return r.host.VerifyToken(t.policy, "") }
