package identity

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"gatehouse.example/internal/jose"
	"gatehouse.example/internal/mtls"
)

const (
	// maxLeaves bounds the cache of verified certificates. An installation has
	// a few for each of its processes.
	maxLeaves = 256
	// maxChain bounds an x5c header.
	maxChain = 4
)

// Verifier reads internal tokens. It may be used concurrently.
type Verifier struct {
	roots       *x509.CertPool
	trustDomain string
	audience    string
	now         func() time.Time

	mu     sync.RWMutex
	leaves map[[sha256.Size]byte]leaf
}

// leaf is a certificate whose chain was verified.
type leaf struct {
	id, service         string
	key                 jose.Key
	notBefore, notAfter time.Time
}

// NewVerifier returns a verifier for tokens for audience whose certificates
// lead to roots. A nil now is time.Now.
func NewVerifier(roots *x509.CertPool, trustDomain, audience string, now func() time.Time) *Verifier {
	if now == nil {
		now = time.Now
	}
	return &Verifier{
		roots: roots, trustDomain: trustDomain, audience: audience, now: now,
		leaves: map[[sha256.Size]byte]leaf{},
	}
}

// Verify returns the principal that an internal token names. A token counts if
// its certificate chain leads to our authority, the SPIFFE id in the
// certificate is the token's issuer, the token is for our audience and lives a
// minute at most. Only the gateway is believed about others than itself. The
// principal's Expires is the token's end.
func (v *Verifier) Verify(token string) (Principal, error) {
	p, err := v.verify(token)
	if err != nil {
		return Principal{}, fmt.Errorf("internal token: %w", err)
	}
	return p, nil
}

func (v *Verifier) verify(token string) (Principal, error) {
	header, err := jose.Header(token)
	if err != nil {
		return Principal{}, err
	}
	encoded, err := x5c(header)
	if err != nil {
		return Principal{}, err
	}
	now := v.now()
	signer, err := v.signer(encoded, now)
	if err != nil {
		return Principal{}, err
	}
	t, err := jose.Verify(context.Background(), token, jose.StaticSet(signer.key), jose.Expect{
		Issuer: signer.id, Audience: []string{v.audience}, Types: []string{TokenType},
		Algorithms: []string{jose.ES256}, Leeway: leeway, Now: func() time.Time { return now },
	})
	if err != nil {
		return Principal{}, err
	}
	if t.Claims.ExpiresAt.After(now.Add(TokenLifetime + leeway)) {
		return Principal{}, errors.New("it lives longer than a minute")
	}
	var claims tokenClaims
	// "aud" may be a list in general; ours is one text.
	if err := json.Unmarshal(t.Raw, &claims); err != nil {
		return Principal{}, fmt.Errorf("%w: %w", jose.ErrMalformed, err)
	}
	if err := checkSpeaker(signer.service, claims.Kind, claims.Subject); err != nil {
		return Principal{}, err
	}
	var ends time.Time
	if claims.CredentialExpires != 0 {
		ends = time.Unix(claims.CredentialExpires, 0).UTC()
	}
	return Principal{
		RevocationID: claims.RevocationID, CredentialExpires: ends,
		Kind: claims.Kind, Subject: claims.Subject, ClientID: claims.ClientID,
		SessionID: claims.SessionID, TokenID: claims.TokenID,
		Scopes: scopes(claims.Scope), Roles: claims.Roles, Permissions: claims.Permissions,
		Expires: t.Claims.ExpiresAt,
	}, nil
}

// signer returns the verified certificate of an x5c header. Verifying a chain
// takes longer than all the rest, and the same few come again and again.
func (v *Verifier) signer(encoded []string, now time.Time) (leaf, error) {
	digest := chainDigest(encoded)
	v.mu.RLock()
	known, ok := v.leaves[digest]
	v.mu.RUnlock()
	if ok && !now.Before(known.notBefore) && !now.After(known.notAfter) {
		return known, nil
	}
	chain, err := parseChain(encoded)
	if err != nil {
		return leaf{}, err
	}
	id, err := mtls.VerifyChain(chain, v.roots, v.trustDomain, x509.ExtKeyUsageClientAuth, now)
	if err != nil {
		return leaf{}, fmt.Errorf("certificate: %w", err)
	}
	service, err := mtls.ServiceOf(id, v.trustDomain)
	if err != nil {
		return leaf{}, err
	}
	key, err := jose.NewPublicKey("", jose.ES256, chain[0].PublicKey)
	if err != nil {
		return leaf{}, err
	}
	key.KID = "" // an internal token has none
	verified := leaf{id: id, service: service, key: key, notBefore: chain[0].NotBefore, notAfter: chain[0].NotAfter}
	for _, intermediate := range chain[1:] {
		if intermediate.NotAfter.Before(verified.notAfter) {
			verified.notAfter = intermediate.NotAfter
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.leaves) >= maxLeaves {
		clear(v.leaves) // certificates of processes that are gone; the others come back
	}
	v.leaves[digest] = verified
	return verified, nil
}

func x5c(header map[string]any) ([]string, error) {
	list, _ := header["x5c"].([]any)
	if len(list) == 0 || len(list) > maxChain {
		return nil, fmt.Errorf("%w: x5c has not 1 to %d certificates", jose.ErrMalformed, maxChain)
	}
	encoded := make([]string, len(list))
	for i, item := range list {
		text, ok := item.(string)
		if !ok {
			return nil, fmt.Errorf("%w: x5c is not a list of texts", jose.ErrMalformed)
		}
		encoded[i] = text
	}
	return encoded, nil
}
