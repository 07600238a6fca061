package capability

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/jose"
)

// issuerSelf is how a filter's configuration names Gatehouse's own issuer.
const issuerSelf = "self"

// TokenOptions are the options of a [TokenVerifier].
type TokenOptions struct {
	// Issuer is the issuer identifier behind "self".
	Issuer string
	// Keys verifies that issuer's tokens.
	Keys jose.Set
	// Algorithms lists the accepted signature algorithms; empty means ES256.
	Algorithms []string
	// Revocations is asked on every use; nil means that nothing is revoked.
	Revocations Revocations
	// CacheSize bounds the number of verified tokens that are remembered; zero
	// means 10,000.
	CacheSize int
	// Leeway is how far clocks may differ; zero means none.
	Leeway time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// TokenVerifier verifies access tokens (RFC 9068) and remembers the good ones,
// never past their end or a revocation. It is safe for concurrent use.
type TokenVerifier struct {
	options TokenOptions
	expect  jose.Expect
	cache   *cache[*Credential]
}

var _ Tokens = (*TokenVerifier)(nil)

// NewTokenVerifier returns a verifier.
func NewTokenVerifier(o TokenOptions) *TokenVerifier {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Revocations == nil {
		o.Revocations = nothingRevoked{}
	}
	if o.CacheSize == 0 {
		o.CacheSize = 10_000
	}
	if len(o.Algorithms) == 0 {
		o.Algorithms = []string{"ES256"}
	}
	return &TokenVerifier{
		options: o,
		expect: jose.Expect{
			Issuer: o.Issuer,
			// Audiences differ between policies and are compared on every use.
			AnyAudience: true,
			// RFC 9068 §4: nothing else than an access token. An internal token
			// (typ gatehouse+jwt) must not enter from outside.
			Types:      []string{"at+jwt"},
			Algorithms: o.Algorithms,
			Leeway:     o.Leeway,
			Now:        o.Now,
		},
		cache: newCache[*Credential](o.CacheSize),
	}
}

// TokenPolicy says which tokens count. The zero value accepts none.
type TokenPolicy struct {
	audience []string
	claims   []tokenClaim
}

type tokenClaim struct{ name, attribute string }

// Policy reads the policy that a filter registers with jwt_policy.
//
// # Errors
//
// Malformed JSON, an issuer other than "self" (or its identifier), no audience.
func (v *TokenVerifier) Policy(text, _ []byte) (*TokenPolicy, error) {
	var in struct {
		Issuers []struct {
			Issuer   string   `json:"issuer"`
			Audience []string `json:"audience"`
		} `json:"issuers"`
		Claims []string `json:"claims"`
	}
	if err := json.Unmarshal(text, &in); err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	p := &TokenPolicy{}
	for _, issuer := range in.Issuers {
		if issuer.Issuer != issuerSelf && issuer.Issuer != v.options.Issuer {
			return nil, fmt.Errorf("issuer %q: only %q is supported so far", issuer.Issuer, issuerSelf)
		}
		if len(issuer.Audience) == 0 {
			return nil, fmt.Errorf("issuer %q: name the audience, for example gatehouse", issuer.Issuer)
		}
		p.audience = append(p.audience, issuer.Audience...)
	}
	if len(p.audience) == 0 {
		return nil, errors.New("name at least one issuer")
	}
	for _, name := range in.Claims {
		p.claims = append(p.claims, tokenClaim{name, "claim." + name})
	}
	return p, nil
}

// Attributes calls set for each claim of the policy that the token has.
func (p *TokenPolicy) Attributes(c *Credential, set func(name, value string)) {
	for _, claim := range p.claims {
		if value, ok := c.Claims[claim.name]; ok {
			set(claim.attribute, value)
		}
	}
}

// Verify returns the credential behind an access token that counts under p.
// The refusal is nil exactly where the credential is not.
func (v *TokenVerifier) Verify(ctx context.Context, p *TokenPolicy, token string) (*Credential, *Refusal) {
	digest := digestOf(token)
	now := v.options.Now()
	c, ok := v.cache.get(&digest, now.UnixNano())
	if !ok {
		var refusal *Refusal
		if c, refusal = v.verify(ctx, token, digest); refusal != nil {
			return nil, refusal
		}
		v.cache.put(digest, c, now.UnixNano(), c.Principal.Expires.UnixNano())
	}
	if !intersect(p.audience, c.audience) {
		return nil, &Refusal{filterv1.StatusInvalid, jose.ErrAudience}
	}
	if v.revoked(&c.Principal) {
		return nil, &Refusal{Status: filterv1.StatusRevoked}
	}
	return c, nil
}

// revoked reports whether the token, its session or its client was ended.
func (v *TokenVerifier) revoked(p *identity.Principal) bool {
	r := v.options.Revocations
	return (p.TokenID != "" && r.Revoked(revokedToken, p.TokenID)) ||
		(p.SessionID != "" && r.Revoked(revokedSession, p.SessionID)) ||
		(p.ClientID != "" && r.Revoked(revokedClient, p.ClientID))
}

func intersect(a, b []string) bool {
	for _, x := range a {
		if slices.Contains(b, x) {
			return true
		}
	}
	return false
}

func (v *TokenVerifier) verify(ctx context.Context, token string, digest [32]byte) (*Credential, *Refusal) {
	t, err := jose.Verify(ctx, token, v.options.Keys, v.expect)
	if err != nil {
		return nil, &Refusal{statusOf(err), err}
	}
	if _, chain := t.Header["x5c"]; chain {
		return nil, &Refusal{filterv1.StatusInvalid, errors.New("a token with a certificate chain does not come from outside")}
	}
	// A token that is bound to a key (RFC 9449 §7.1, RFC 8705 §3) is worth
	// nothing as a bearer token.
	if _, bound := t.Claims.Extra["cnf"]; bound {
		return nil, &Refusal{filterv1.StatusInvalid, errors.New("the token is bound to a key and was presented as a bearer token")}
	}
	if t.Claims.Subject == "" {
		return nil, &Refusal{filterv1.StatusInvalid, errors.New("the token has no subject")}
	}
	return credentialOf(t, digest), nil
}

func statusOf(err error) filterv1.Status {
	if errors.Is(err, jose.ErrExpired) {
		return filterv1.StatusExpired
	}
	for _, known := range []error{jose.ErrMalformed, jose.ErrSignature, jose.ErrNotYetValid, jose.ErrIssuer, jose.ErrAudience, jose.ErrType, jose.ErrUnknownKey} {
		if errors.Is(err, known) {
			return filterv1.StatusInvalid
		}
	}
	return filterv1.StatusUnavailable
}

func credentialOf(t *jose.Token, digest [32]byte) *Credential {
	kind := identity.KindUser
	if t.Claims.Subject == t.Claims.ClientID {
		kind = identity.KindClient
	}
	c := &Credential{
		Principal: identity.Principal{
			Kind:      kind,
			Subject:   t.Claims.Subject,
			ClientID:  t.Claims.ClientID,
			SessionID: t.Claims.SessionID,
			TokenID:   t.Claims.ID,
			Scopes:    strings.Fields(t.Claims.Scope),
			Roles:     t.Claims.Roles, Permissions: t.Claims.Permissions,
			Expires: t.Claims.ExpiresAt,
		},
		Digest:   digest,
		audience: t.Claims.Audience,
		Claims: map[string]string{
			"iss": t.Claims.Issuer, "sub": t.Claims.Subject, "client_id": t.Claims.ClientID,
			"sid": t.Claims.SessionID, "jti": t.Claims.ID, "scope": t.Claims.Scope,
		},
	}
	for name, raw := range t.Claims.Extra {
		var value any
		if json.Unmarshal(raw, &value) != nil {
			continue
		}
		switch v := value.(type) {
		case string:
			c.Claims[name] = v
		case bool, float64:
			c.Claims[name] = string(raw)
		}
	}
	for name, value := range c.Claims {
		if value == "" {
			delete(c.Claims, name)
		}
	}
	return c
}

// digestOf is SHA-256 without copying the credential to the heap.
func digestOf(credential string) [32]byte {
	var buf [2048]byte
	if len(credential) > len(buf) {
		return sha256.Sum256([]byte(credential))
	}
	return sha256.Sum256(buf[:copy(buf[:], credential)])
}
