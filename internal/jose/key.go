package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
)

// Key is a signature key, pinned to one algorithm. It is read only and may be
// shared.
type Key struct {
	// KID is the key's id (RFC 7515 §4.1.4).
	KID string
	// Algorithm is the only "alg" that the key signs or verifies.
	Algorithm string
	// Private signs; nil in a key that only verifies.
	Private crypto.Signer
	// Public verifies: *ecdsa.PublicKey, *rsa.PublicKey or ed25519.PublicKey.
	Public crypto.PublicKey
}

// GenerateES256 returns a new ECDSA P-256 key whose KID is its thumbprint.
func GenerateES256() (Key, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Key{}, fmt.Errorf("generate P-256 key: %w", err)
	}
	return NewKey("", ES256, private)
}
