package filterrun

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	kitv1 "gatehouse.example/pluginspec/filter/kit/v1"

	"gatehouse.example/gateway/wasm/capability"
	"gatehouse.example/internal/jose"
)

// issuer is what "self" stands for in a session.
const issuer = "https://gatehouse.test"

// credentials are those that a session knows. They are looked up by their
// digests, so that comparing takes no longer for a near miss.
type credentials struct {
	tokens, keys map[[32]byte]kitv1.Credential
	// last is the kind of credential that made the principal.
	last string
}

func (c *credentials) add(s kitv1.Start) {
	c.tokens, c.keys = byDigest(s.Tokens), byDigest(s.Keys)
}

func byDigest(all []kitv1.Credential) map[[32]byte]kitv1.Credential {
	m := make(map[[32]byte]kitv1.Credential, len(all))
	for _, c := range all {
		m[sha256.Sum256([]byte(c.Value))] = c
	}
	return m
}

var (
	errUnknown = errors.New("the test knows no such credential")
	errSaid    = errors.New("the test says so")
)

// judge says what a credential is worth.
func judge(known map[[32]byte]kitv1.Credential, value string, scopes []string) (*capability.Credential, *capability.Refusal) {
	digest := sha256.Sum256([]byte(value))
	c, ok := known[digest]
	if !ok {
		return nil, &capability.Refusal{Status: filterv1.StatusInvalid, Reason: errUnknown}
	}
	if c.Status != filterv1.StatusOK {
		return nil, &capability.Refusal{Status: c.Status, Reason: errSaid}
	}
	p := principal(c.Principal)
	for _, scope := range scopes {
		if !slices.Contains(p.Scopes, scope) {
			return nil, &capability.Refusal{Status: filterv1.StatusForbidden, Reason: errors.New("the key lacks the scope " + scope)}
		}
	}
	return &capability.Credential{Principal: p, Digest: digest, Claims: c.Claims}, nil
}

// tokens implements capability.Tokens: policies are read by the real verifier,
// tokens are worth what the session says.
type tokens struct {
	*capability.TokenVerifier
	known *credentials
}

var _ capability.Tokens = tokens{}

func newTokens(known *credentials) tokens {
	return tokens{capability.NewTokenVerifier(capability.TokenOptions{Issuer: issuer, Keys: jose.StaticSet()}), known}
}

// Verify implements capability.Tokens.
func (t tokens) Verify(_ context.Context, _ *capability.TokenPolicy, token string) (*capability.Credential, *capability.Refusal) {
	c, refusal := judge(t.known.tokens, token, nil)
	if refusal == nil {
		t.known.last = "token"
	}
	return c, refusal
}

// keys implements capability.Keys likewise.
type keys struct {
	*capability.KeyVerifier
	known *credentials
}

var _ capability.Keys = keys{}

func newKeys(known *credentials) keys {
	return keys{capability.NewKeyVerifier(capability.KeyOptions{}), known}
}

// Verify implements capability.Keys.
func (k keys) Verify(_ context.Context, p *capability.KeyPolicy, key string) (*capability.Credential, *capability.Refusal) {
	c, refusal := judge(k.known.keys, key, p.Scopes)
	if refusal == nil {
		k.known.last = "key"
	}
	return c, refusal
}
