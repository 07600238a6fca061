package filter

import "gatehouse.example/sdk/filter/internal/jsonconf"

// Issuer is an issuer of access tokens.
type Issuer struct {
	// Issuer is the issuer identifier (RFC 8414 §2); "self" is the one that
	// this gateway stands in front of.
	Issuer string `json:"issuer" doc:"issuer identifier; self is Gatehouse's own"`
	// Audience lists the audiences of which a token has to name one.
	Audience []string `json:"audience" doc:"a token has to name one of these"`
}

// TokenPolicy says which access tokens count.
type TokenPolicy struct {
	// Issuers are tried by a token's iss.
	Issuers []Issuer
	// Claims become attributes "claim.NAME" where a token has them as a
	// string, number or boolean.
	Claims []string
}

// Tokens verifies access tokens by a policy; see [Request.VerifyToken].
type Tokens struct{ policy int32 }

// Tokens makes a verifier. It needs the grant "jwt".
func (s *Setup) Tokens(p TokenPolicy) (*Tokens, error) {
	b := []byte(`{"issuers":[`)
	for i, issuer := range p.Issuers {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsonconf.AppendString(append(b, `{"issuer":`...), issuer.Issuer)
		b = appendStrings(append(b, `,"audience":`...), issuer.Audience)
		b = append(b, '}')
	}
	b = appendStrings(append(b, `],"claims":`...), p.Claims)
	b = append(b, '}')
	policy := s.host.TokenPolicy(b)
	if policy < 0 {
		return nil, s.refused("token policy")
	}
	return &Tokens{policy}, nil
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
func (r *Request) VerifyToken(t *Tokens) Status { return r.host.VerifyToken(t.policy, "") }
