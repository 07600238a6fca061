package capability

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/singleflight"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/internal/identity"
)

// ErrKeyInvalid is the error of a [KeyAuthority] for a key that does not
// exist, or no longer.
var ErrKeyInvalid = errors.New("API key is not valid")

// APIKey is what the authority says about a key.
type APIKey struct {
	// ID is the key's id.
	ID string
	// RevocationID names the presented secret alone on the list of
	// revocations: a rotation ends the secret, and the key lives on. It may be
	// empty.
	RevocationID string
	// OwnerKind is "user" or "client".
	OwnerKind string
	// OwnerID is who acts through the key.
	OwnerID string
	// Scopes is what the key allows.
	Scopes []string
	// Roles are the owner's roles.
	Roles []string
	// Permissions is what those roles permit together.
	Permissions []string
	// ExpiresAt is the key's end; zero where it has none.
	ExpiresAt time.Time
}

// KeyAuthority knows the API keys.
type KeyAuthority interface {
	// VerifyAPIKey returns the key, or an error: one that is [ErrKeyInvalid]
	// means that there is no such key, any other that the authority cannot be
	// asked.
	VerifyAPIKey(ctx context.Context, key string) (APIKey, error)
}

// KeyOptions are the options of a [KeyVerifier].
type KeyOptions struct {
	// Authority is asked for keys that are not remembered.
	Authority KeyAuthority
	// Environment, where set, is the only one whose keys count: the second
	// part of gatehouse_<environment>_<id>_<secret><crc32>.
	Environment string
	// Revocations is asked on every use; nil means that nothing is revoked.
	// Where it implements [Connected], keys are not remembered while it is
	// disconnected.
	Revocations Revocations
	// Remember is how long a good key is remembered; zero means a minute.
	Remember time.Duration
	// RememberBad is how long a bad key is remembered; zero means 5 s.
	RememberBad time.Duration
	// CacheSize bounds the number of remembered keys, good and bad each; zero
	// means 10,000.
	CacheSize int
	// Timeout bounds one question to the authority; zero means 3 s.
	Timeout time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// KeyVerifier verifies API keys and remembers what the authority said, never
// past a key's end or a revocation. It is safe for concurrent use.
type KeyVerifier struct {
	options   KeyOptions
	connected Connected
	good      *cache[*Credential]
	bad       *cache[struct{}]
	asking    singleflight.Group
	// forgotten counts the calls of Forget: what was asked before one is not
	// remembered after it.
	forgotten atomic.Uint64
}

// NewKeyVerifier returns a verifier.
func NewKeyVerifier(o KeyOptions) *KeyVerifier {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Revocations == nil {
		o.Revocations = nothingRevoked{}
	}
	if o.Remember == 0 {
		o.Remember = time.Minute
	}
	if o.RememberBad == 0 {
		o.RememberBad = 5 * time.Second
	}
	if o.CacheSize == 0 {
		o.CacheSize = 10_000
	}
	if o.Timeout == 0 {
		o.Timeout = 3 * time.Second
	}
	v := &KeyVerifier{options: o, good: newCache[*Credential](o.CacheSize), bad: newCache[struct{}](o.CacheSize)}
	v.connected, _ = o.Revocations.(Connected)
	return v
}

var _ Keys = (*KeyVerifier)(nil)

// Verify returns the credential behind an API key that has the scopes of p. The
// refusal is nil exactly where the credential is not.
func (v *KeyVerifier) Verify(ctx context.Context, p *KeyPolicy, key string) (*Credential, *Refusal) {
	c, refusal := v.verify(ctx, key)
	if refusal != nil {
		return nil, refusal
	}
	for _, scope := range p.Scopes {
		if !c.Principal.HasScope(scope) {
			return nil, &Refusal{filterv1.StatusForbidden, fmt.Errorf("the key lacks the scope %q", scope)}
		}
	}
	return c, nil
}

func (v *KeyVerifier) verify(ctx context.Context, key string) (*Credential, *Refusal) {
	if !wellFormed(key, v.options.Environment) {
		return nil, &Refusal{filterv1.StatusInvalid, errors.New("the key's format or checksum is wrong")}
	}
	digest := digestOf(key)
	now := v.options.Now().UnixNano()
	followed := v.connected == nil || v.connected.Connected()
	if _, known := v.bad.get(&digest, now); known {
		return nil, &Refusal{filterv1.StatusInvalid, ErrKeyInvalid}
	}
	c, known := v.good.get(&digest, now)
	if !known || !followed {
		var refusal *Refusal
		if c, refusal = v.ask(ctx, key, digest); refusal != nil {
			return nil, refusal
		}
	}
	if v.options.Revocations.Revoked(revokedKey, c.Principal.TokenID) ||
		c.revocationID != "" && v.options.Revocations.Revoked(revokedKey, c.revocationID) {
		return nil, &Refusal{Status: filterv1.StatusRevoked}
	}
	if ends := c.Principal.Expires; !ends.IsZero() && now >= ends.UnixNano() {
		return nil, &Refusal{Status: filterv1.StatusExpired}
	}
	return c, nil
}

// keyAnswer is what the authority's answer comes to.
type keyAnswer struct {
	credential *Credential
	refusal    *Refusal
}

// ask asks the authority, once for all who wait for the same key. One who
// hangs up does not spoil the answer for the others.
func (v *KeyVerifier) ask(ctx context.Context, key string, digest [32]byte) (*Credential, *Refusal) {
	done, err := mayAsk(ctx)
	if err != nil {
		return nil, &Refusal{filterv1.StatusUnavailable, err}
	}
	forgotten := v.forgotten.Load()
	// Who comes after a Forget does not join a question from before it.
	question := string(digest[:]) + strconv.FormatUint(forgotten, 16)
	// The question may outlive the call, and so do connections that are made for
	// it: they have the trace of ctx, and nothing else of it.
	detached := trace.ContextWithSpanContext(context.Background(), trace.SpanContextFromContext(ctx))
	asked := v.asking.DoChan(question, func() (any, error) {
		ctx, cancel := context.WithTimeout(detached, v.options.Timeout)
		defer cancel()
		k, err := v.options.Authority.VerifyAPIKey(ctx, key)
		return v.remember(&k, err, digest, forgotten), nil
	})
	select {
	case <-ctx.Done():
		// The question goes on, and counts as one.
		go func() { <-asked; done() }()
		return nil, &Refusal{filterv1.StatusUnavailable, fmt.Errorf("ask for API key: %w", ctx.Err())}
	case result := <-asked:
		done()
		answer := result.Val.(keyAnswer)
		return answer.credential, answer.refusal
	}
}

// remember keeps an answer, a good one unless Forget was called since it was
// asked for.
func (v *KeyVerifier) remember(k *APIKey, err error, digest [32]byte, forgotten uint64) keyAnswer {
	now := v.options.Now()
	if errors.Is(err, ErrKeyInvalid) {
		v.bad.put(digest, struct{}{}, now.UnixNano(), now.Add(v.options.RememberBad).UnixNano())
		return keyAnswer{refusal: &Refusal{filterv1.StatusInvalid, err}}
	}
	if err != nil {
		return keyAnswer{refusal: &Refusal{filterv1.StatusUnavailable, fmt.Errorf("ask for API key: %w", err)}}
	}
	// A key that ends while it is remembered is known as one that was good.
	ends := now.Add(v.options.Remember)
	c := &Credential{Principal: k.principal(), Digest: digest, revocationID: k.RevocationID}
	if v.forgotten.Load() == forgotten {
		v.good.put(digest, c, now.UnixNano(), ends.UnixNano())
	}
	return keyAnswer{credential: c}
}

// Forget drops what is remembered of an owner's keys, because what the owner
// may do has changed: the next use asks again. An empty id means every owner.
func (v *KeyVerifier) Forget(kind identity.Kind, ownerID string) {
	v.forgotten.Add(1)
	v.good.forget(func(c *Credential) bool {
		return ownerID == "" || c.Principal.Kind == kind && c.Principal.Subject == ownerID
	})
}

func (k *APIKey) principal() identity.Principal {
	p := identity.Principal{
		Kind:    identity.KindUser,
		Subject: k.OwnerID,
		TokenID: k.ID, RevocationID: k.RevocationID,
		Scopes: k.Scopes,
		Roles:  k.Roles, Permissions: k.Permissions,
		Expires: k.ExpiresAt,
	}
	if k.OwnerKind == string(identity.KindClient) {
		p.Kind, p.ClientID = identity.KindClient, k.OwnerID
	}
	return p
}

const (
	keyPrefix      = "gatehouse_"
	maxKeyBytes    = 256
	keyIDDigits    = 32
	checksumDigits = 8
)

// wellFormed tells a typo, or what was never one of our keys, without asking:
// gatehouse_<environment>_<id>_<secret><crc32>, where the checksum is the
// CRC-32 (IEEE) of everything before it in lower case hexadecimal digits.
func wellFormed(key, environment string) bool {
	rest, ok := strings.CutPrefix(key, keyPrefix)
	if !ok || len(key) > maxKeyBytes {
		return false
	}
	// From the right: the name of an environment may hold an underscore.
	last := strings.LastIndexByte(rest, '_')
	if last < 0 || len(rest)-last-1 <= checksumDigits {
		return false
	}
	rest = rest[:last]
	env, id := "", ""
	if i := strings.LastIndexByte(rest, '_'); i > 0 {
		env, id = rest[:i], rest[i+1:]
	}
	if len(id) != keyIDDigits || (environment != "" && env != environment) {
		return false
	}
	// Not ChecksumIEEE, for which the key would have to be copied to the heap.
	sum := ^uint32(0)
	for i := range len(key) - checksumDigits {
		sum = crc32.IEEETable[byte(sum)^key[i]] ^ sum>>8
	}
	sum = ^sum
	const hex = "0123456789abcdef"
	for i := range checksumDigits {
		if key[len(key)-1-i] != hex[sum&15] {
			return false
		}
		sum >>= 4
	}
	return true
}
