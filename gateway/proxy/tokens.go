package proxy

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"gatehouse.example/internal/identity"
)

// Minter makes internal tokens; *identity.Minter does.
type Minter interface {
	Mint(p identity.Principal, audience string) (token string, expires time.Time, err error)
}

var _ Minter = (*identity.Minter)(nil)

// maxTokens bounds the cache; an internal token lives 60 s.
const maxTokens = 16384

// Tokens caches internal tokens per presented credential and audience. It is
// safe for concurrent use.
type Tokens struct {
	minter Minter
	now    func() time.Time

	mu      sync.Mutex
	entries map[tokenKey]tokenEntry
}

type tokenKey struct {
	credential [32]byte
	audience   string
}

type tokenEntry struct {
	principal identity.Principal
	token     string
	useUntil  time.Time
}

// NewTokens returns an empty cache. A nil now is time.Now.
func NewTokens(m Minter, now func() time.Time) *Tokens {
	if now == nil {
		now = time.Now
	}
	return &Tokens{minter: m, now: now, entries: map[tokenKey]tokenEntry{}}
}

// Get returns a token for p, which was made from the credential of that
// digest. A zero digest is never cached.
//
// # Errors
//
// [ErrCredential] where p has expired.
func (t *Tokens) Get(credential [32]byte, p identity.Principal, audience string) (string, error) {
	now := t.now()
	if !p.Expires.IsZero() && !now.Before(p.Expires) {
		return "", ErrCredential
	}
	key := tokenKey{credential, audience}
	t.mu.Lock()
	entry, ok := t.entries[key]
	t.mu.Unlock()
	if ok && now.Before(entry.useUntil) && same(entry.principal, p) {
		return entry.token, nil
	}
	token, expires, err := t.minter.Mint(p, audience)
	if err != nil {
		return "", fmt.Errorf("mint: %w", err)
	}
	if credential == ([32]byte{}) {
		return token, nil
	}
	// A token must outlast its way to the upstream.
	reserve := min(expires.Sub(now)/4, 10*time.Second)
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.entries) >= maxTokens {
		t.evict(now)
	}
	t.entries[key] = tokenEntry{principal: p, token: token, useUntil: expires.Add(-reserve)}
	return token, nil
}

// evict drops what has expired, and a quarter of the rest where that is not
// enough.
func (t *Tokens) evict(now time.Time) {
	for k, e := range t.entries {
		if !now.Before(e.useUntil) {
			delete(t.entries, k)
		}
	}
	excess := len(t.entries) - maxTokens*3/4
	for k := range t.entries {
		if excess <= 0 {
			return
		}
		delete(t.entries, k)
		excess--
	}
}

// same reports whether a token made for a stands for b: the rights of one API
// key may change while a token lives.
func same(a, b identity.Principal) bool {
	return a.Kind == b.Kind && a.Issuer == b.Issuer && a.Subject == b.Subject && a.ClientID == b.ClientID &&
		a.SessionID == b.SessionID && a.TokenID == b.TokenID && a.RevocationID == b.RevocationID && a.Expires.Equal(b.Expires) &&
		slices.Equal(a.Scopes, b.Scopes) && slices.Equal(a.Roles, b.Roles) && slices.Equal(a.Permissions, b.Permissions)
}
