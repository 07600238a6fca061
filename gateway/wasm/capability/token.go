package capability

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
	"unsafe"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/jose"
	"gatehouse.example/internal/outbound"
)

// issuerSelf is how a filter's configuration names Gatehouse's own issuer.
const issuerSelf = "self"

const (
	// maxRemembered is how long a good token is remembered at most: the key
	// that signed it may be withdrawn before the token ends.
	maxRemembered = 5 * time.Minute
	// badRemembered is how long a bad signature is.
	badRemembered = 10 * time.Second
	// maxBad bounds the bad tokens that are remembered: those who send one
	// again and again send few.
	maxBad = 1024
)

// TokenOptions are the options of a [TokenVerifier].
type TokenOptions struct {
	// Issuer is the issuer identifier behind "self".
	Issuer string
	// Keys verifies that issuer's tokens.
	Keys jose.Set
	// Algorithms lists the accepted signature algorithms of that issuer; empty
	// means ES256.
	Algorithms []string
	// Revocations is asked on every use of that issuer's tokens; nil means that
	// nothing is revoked.
	Revocations Revocations
	// CacheSize bounds the number of verified tokens that are remembered; zero
	// means 10,000.
	CacheSize int
	// Leeway is how far clocks may differ from that issuer's; zero means none.
	Leeway time.Duration
	// BaseDir is the folder that relative files of a filter's configuration are
	// relative to, that of gateway.yaml; empty refuses them.
	BaseDir string
	// OperatorClient reaches the addresses that stand in a filter's
	// configuration; nil means [outbound.NewClient] with OperatorNamed.
	OperatorClient *http.Client
	// PublicClient reaches where other issuers send us; nil means
	// [outbound.NewClient] for strangers' addresses.
	PublicClient *http.Client
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// TokenVerifier verifies access tokens (RFC 9068) of Gatehouse and of the
// issuers that policies name, and remembers the good ones, never past their end
// or a revocation. It is safe for concurrent use.
type TokenVerifier struct {
	options TokenOptions
	// expect is what Gatehouse's own tokens are, but for the audience.
	expect jose.Expect
	cache  *cache[*Credential]
	bad    *cache[*Refusal]
	ended  context.Context
	stop   context.CancelFunc

	policies      shared[TokenPolicy]
	sources       shared[keySource]
	introspectors shared[introspector]
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
		o.Algorithms = []string{jose.ES256}
	}
	if o.OperatorClient == nil {
		o.OperatorClient = outbound.NewClient(outbound.Options{OperatorNamed: true, Timeout: introspectTimeout})
	}
	if o.PublicClient == nil {
		o.PublicClient = outbound.NewClient(outbound.Options{Timeout: introspectTimeout})
	}
	v := &TokenVerifier{
		options: o,
		expect: jose.Expect{
			Issuer: o.Issuer,
			// RFC 9068 §4: nothing else than an access token. An internal token
			// (typ gatehouse+jwt) must not enter from outside.
			Types:      []string{"at+jwt"},
			Algorithms: o.Algorithms,
			Leeway:     o.Leeway,
			Now:        o.Now,
		},
		cache: newCache[*Credential](o.CacheSize),
		bad:   newCache[*Refusal](maxBad),
	}
	v.ended, v.stop = context.WithCancel(context.Background())
	return v
}

// Close ends the requests for keys that are under way. Tokens are refused as
// unavailable afterwards where keys are not at hand.
func (v *TokenVerifier) Close() {
	v.stop()
	for _, s := range v.sources.all() {
		s.set.Close()
	}
	v.options.OperatorClient.CloseIdleConnections()
	v.options.PublicClient.CloseIdleConnections()
}

// Verify returns the credential behind an access token that counts under p.
// The refusal is nil exactly where the credential is not. A token that is
// remembered costs no allocation and does not touch ctx.
func (v *TokenVerifier) Verify(ctx context.Context, p *TokenPolicy, token string) (*Credential, *Refusal) {
	digest := digestOf(token)
	entry := p.entry(&digest)
	now := v.options.Now()
	c, known := v.cache.get(&entry, now.UnixNano())
	if !known {
		refusal, bad := v.bad.get(&entry, now.UnixNano())
		if !bad {
			c, refusal = v.verify(ctx, p, token, digest, entry)
		}
		if refusal != nil {
			return nil, refusal
		}
	}
	if c.self && v.revoked(&c.Principal) {
		return nil, &Refusal{Status: filterv1.StatusRevoked}
	}
	return c, nil
}

// revoked reports whether the token, its session or its client was ended. The
// list is of our own tokens; another issuer's ids may look the same.
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

// verify looks at a token that is not remembered, the cheapest first: nothing
// is computed or fetched for one that names no issuer of the policy.
func (v *TokenVerifier) verify(ctx context.Context, p *TokenPolicy, token string, digest, entry [32]byte) (*Credential, *Refusal) {
	if p.opaque != nil && !isJWS(token) {
		return v.introspect(ctx, p, p.opaque, token, digest, entry)
	}
	u, err := jose.Parse(token)
	if err != nil {
		return nil, &Refusal{filterv1.StatusInvalid, err}
	}
	i := p.issuer(u.Issuer())
	if i == nil || u.Issuer() == "" {
		return nil, &Refusal{filterv1.StatusInvalid, jose.ErrIssuer}
	}
	if i.keys == nil {
		return v.introspect(ctx, p, i, token, digest, entry)
	}
	now := v.options.Now()
	t, err := u.Verify(ctx, i.keys, i.expect)
	if err != nil {
		refusal := &Refusal{statusOf(err), err}
		if errors.Is(err, jose.ErrSignature) {
			v.bad.put(entry, refusal, now.UnixNano(), now.Add(badRemembered).UnixNano())
		}
		return nil, refusal
	}
	c, refusal := i.accept(p, t, digest, now)
	if refusal != nil {
		return nil, refusal
	}
	v.remember(entry, c, now, maxRemembered)
	return c, nil
}

// accept looks at what a token with a good signature says.
func (i *tokenIssuer) accept(p *TokenPolicy, t *jose.Token, digest [32]byte, now time.Time) (*Credential, *Refusal) {
	if _, chain := t.Header["x5c"]; chain && i.self {
		return nil, &Refusal{filterv1.StatusInvalid, errors.New("a token with a certificate chain does not come from outside")}
	}
	if refusal := refuseBound(&t.Claims); refusal != nil {
		return nil, refusal
	}
	if i.checkIssued {
		if err := i.checkTimes(&t.Claims, now); err != nil {
			return nil, &Refusal{filterv1.StatusInvalid, err}
		}
	}
	c, err := i.credential(p, &t.Claims, t.Raw, digest)
	if err != nil {
		return nil, &Refusal{filterv1.StatusInvalid, err}
	}
	return c, nil
}

// refuseBound refuses a token that is bound to a key (RFC 9449 §7.1, RFC 8705
// §3): it is worth nothing as a bearer token.
func refuseBound(c *jose.Claims) *Refusal {
	_, bound := c.Extra["cnf"]
	// token_type is what introspection calls it.
	if bound || strings.EqualFold(string(c.Extra["token_type"]), `"DPoP"`) {
		return &Refusal{filterv1.StatusForbidden, errors.New("the token is bound to a key and was presented as a bearer token")}
	}
	return nil
}

// checkTimes refuses what was issued, or begins, in the future.
func (i *tokenIssuer) checkTimes(c *jose.Claims, now time.Time) error {
	latest := now.Add(i.expect.Leeway)
	if c.IssuedAt.After(latest) || c.NotBefore.After(latest) {
		return jose.ErrNotYetValid
	}
	return nil
}

// remember keeps a good token for a while, never past its end.
func (v *TokenVerifier) remember(entry [32]byte, c *Credential, now time.Time, atMost time.Duration) {
	ends := now.Add(atMost)
	if e := c.Principal.Expires; !e.IsZero() && e.Before(ends) {
		ends = e
	}
	v.cache.put(entry, c, now.UnixNano(), ends.UnixNano())
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

// isJWS reports whether a token has the form of a signed JWT: three parts in
// base64url.
func isJWS(token string) bool {
	if strings.Count(token, ".") != 2 {
		return false
	}
	for part := range strings.SplitSeq(token, ".") {
		if _, err := base64.RawURLEncoding.DecodeString(part); err != nil || part == "" {
			return false
		}
	}
	return true
}

// digestOf is SHA-256 without copying the credential.
func digestOf(credential string) [32]byte {
	return sha256.Sum256(unsafe.Slice(unsafe.StringData(credential), len(credential)))
}
