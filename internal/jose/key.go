package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
)

// Key is a signature key, pinned to one algorithm (RFC 8725 §3.1). It is read
// only and may be shared.
type Key struct {
	// KID is the key's id (RFC 7515 §4.1.4).
	KID string
	// Algorithm is the only "alg" that the key signs or verifies.
	Algorithm string
	// Private signs; nil in a key that only verifies. It is one of
	// *ecdsa.PrivateKey, *rsa.PrivateKey and ed25519.PrivateKey.
	Private crypto.Signer
	// Public verifies: *ecdsa.PublicKey, *rsa.PublicKey or ed25519.PublicKey.
	Public crypto.PublicKey
}

// GenerateES256 returns a new ECDSA P-256 key whose KID is its thumbprint
// (RFC 7638).
func GenerateES256() (Key, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Key{}, fmt.Errorf("generate P-256 key: %w", err)
	}
	return NewKey("", ES256, private)
}

// NewKey returns the key of private, pinned to algorithm. An empty kid becomes
// the key's thumbprint (RFC 7638).
func NewKey(kid, algorithm string, private crypto.Signer) (Key, error) {
	if private == nil {
		return Key{}, errors.New("key has no private part")
	}
	k, err := NewPublicKey(kid, algorithm, private.Public())
	if err != nil {
		return Key{}, err
	}
	k.Private = private
	return k, nil
}

// NewPublicKey returns a key that only verifies. An empty kid becomes the key's
// thumbprint (RFC 7638).
func NewPublicKey(kid, algorithm string, public crypto.PublicKey) (Key, error) {
	if err := checkPublic(algorithm, public); err != nil {
		return Key{}, err
	}
	k := Key{KID: kid, Algorithm: algorithm, Public: public}
	if kid == "" {
		thumbprint, err := k.JWK().Thumbprint()
		if err != nil {
			return Key{}, err
		}
		k.KID = thumbprint
	}
	return k, nil
}

// PublicOnly returns the key without its private part.
func (k Key) PublicOnly() Key {
	k.Private = nil
	return k
}
