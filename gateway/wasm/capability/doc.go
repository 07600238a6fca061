// Package capability owns what the gateway does for filters because a guest
// could not do it safely or fast: counting requests, verifying access tokens
// and API keys, and the bounded caches for that.
//
// It knows nothing of WebAssembly; gateway/wasm/extension makes it callable,
// and checks what is granted. Which credential counts on which route, and what
// its absence means, is the policy of filters; whether the principal may do
// what it asks is the route's require.
package capability

import (
	"context"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/internal/identity"
)

// Credential is a verified access token or API key. It is read only.
type Credential struct {
	// Principal is who acts.
	Principal identity.Principal
	// Digest is the SHA-256 of what was presented.
	Digest [32]byte
	// Claims are those claims of a token that the policy asks for, by the
	// policy's names for them.
	Claims map[string]string

	// self is true for a token of Gatehouse's own issuer.
	self bool
	// revocationID is that of an API key's secret.
	revocationID string
}

// Refusal says why a credential does not count.
type Refusal struct {
	// Status is what the filter is told.
	Status filterv1.Status
	// Reason is for logs; it holds no part of the credential. It may be nil.
	Reason error
}

// Tokens verifies access tokens for filters. [TokenVerifier] does; a kit for
// tests may say what a token is worth.
type Tokens interface {
	// Policy reads what a filter hands to jwt_policy. config is the operator's
	// configuration of the filter: only what stands there may be fetched.
	Policy(text, config []byte) (*TokenPolicy, error)
	// Verify returns the credential behind a token that counts under p. The
	// refusal is nil exactly where the credential is not.
	Verify(ctx context.Context, p *TokenPolicy, token string) (*Credential, *Refusal)
}

// Keys verifies API keys for filters, as [KeyVerifier] does.
type Keys interface {
	// Policy reads what a filter hands to key_policy.
	Policy(text []byte) (*KeyPolicy, error)
	// Verify returns the credential behind a key that counts under p. The
	// refusal is nil exactly where the credential is not.
	Verify(ctx context.Context, p *KeyPolicy, key string) (*Credential, *Refusal)
}

// Revocations answers whether something was revoked before its end: kind is
// "jti", "session" or "key". It is asked on every request and must be fast.
type Revocations interface {
	Revoked(kind, id string) bool
}

// Connected is what [Revocations] may also implement: whether the list is
// followed at the moment. While it is not, API keys are verified on every use.
type Connected interface {
	Connected() bool
}

// The kinds of revocation.
const (
	revokedToken   = "jti"
	revokedSession = "session"
	revokedKey     = "key"
	revokedClient  = "client"
)

type nothingRevoked struct{}

func (nothingRevoked) Revoked(string, string) bool { return false }
