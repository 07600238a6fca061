package jose

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
)

// JWK is a public signature key as JSON (RFC 7517 §4, RFC 7518 §6, RFC 8037
// §2). It never holds a private part.
type JWK struct {
	// KeyType is "EC", "RSA" or "OKP".
	KeyType string `json:"kty"`
	// Use is "sig".
	Use string `json:"use,omitempty"`
	// KeyOps is what the key is for; a key that is for verification names "verify".
	KeyOps []string `json:"key_ops,omitempty"`
	// KeyID is the key's id.
	KeyID string `json:"kid,omitempty"`
	// Algorithm is what the key is pinned to.
	Algorithm string `json:"alg,omitempty"`
	// Curve is the curve of an EC or OKP key.
	Curve string `json:"crv,omitempty"`
	// X is the x coordinate (EC) or the public key (OKP), in base64url.
	X string `json:"x,omitempty"`
	// Y is the y coordinate (EC), in base64url.
	Y string `json:"y,omitempty"`
	// N is the modulus (RSA), in base64url.
	N string `json:"n,omitempty"`
	// E is the exponent (RSA), in base64url.
	E string `json:"e,omitempty"`
}

// JWKS is a set of public keys as JSON (RFC 7517 §5).
type JWKS struct {
	// Keys are the keys, in the order in which they should be tried.
	Keys []JWK `json:"keys"`
}

// b64 is base64url without padding and without stray bits (RFC 7515 §2).
var b64 = base64.RawURLEncoding.Strict()

// JWK returns the public part as JSON, or a JWK without a key type if the key
// is of a kind that has none.
func (k Key) JWK() JWK {
	j := JWK{Use: "sig", KeyID: k.KID, Algorithm: k.Algorithm}
	switch public := k.Public.(type) {
	case *ecdsa.PublicKey:
		point, err := public.Bytes() // 4 || x || y
		if err != nil {
			return JWK{}
		}
		half := len(point) / 2
		j.KeyType, j.Curve = "EC", public.Curve.Params().Name
		j.X, j.Y = b64.EncodeToString(point[1:1+half]), b64.EncodeToString(point[1+half:])
	case *rsa.PublicKey:
		j.KeyType = "RSA"
		j.N = b64.EncodeToString(public.N.Bytes())
		j.E = b64.EncodeToString(big.NewInt(int64(public.E)).Bytes())
	case ed25519.PublicKey:
		j.KeyType, j.Curve, j.X = "OKP", "Ed25519", b64.EncodeToString(public)
	default:
		return JWK{}
	}
	return j
}

// Thumbprint returns the key's SHA-256 thumbprint in base64url (RFC 7638 §3).
func (j JWK) Thumbprint() (string, error) {
	// Only the required members count, in lexicographic order (RFC 7638 §3.2).
	var canonical any
	switch j.KeyType {
	case "EC":
		canonical = struct {
			Crv string `json:"crv"`
			Kty string `json:"kty"`
			X   string `json:"x"`
			Y   string `json:"y"`
		}{j.Curve, j.KeyType, j.X, j.Y}
	case "RSA":
		canonical = struct {
			E   string `json:"e"`
			Kty string `json:"kty"`
			N   string `json:"n"`
		}{j.E, j.KeyType, j.N}
	case "OKP":
		canonical = struct {
			Crv string `json:"crv"`
			Kty string `json:"kty"`
			X   string `json:"x"`
		}{j.Curve, j.KeyType, j.X}
	default:
		return "", fmt.Errorf("thumbprint: key type %q is not supported", j.KeyType)
	}
	data, err := json.Marshal(canonical)
	if err != nil {
		return "", fmt.Errorf("thumbprint: %w", err)
	}
	sum := sha256.Sum256(data)
	return b64.EncodeToString(sum[:]), nil
}

// Key returns the key that the JWK describes. Without "alg" it is pinned to the
// one algorithm of its curve, and an RSA key to RS256, the default of OpenID
// Connect.
func (j JWK) Key() (Key, error) {
	if j.Use != "" && j.Use != "sig" {
		return Key{}, fmt.Errorf("key %q is for %q, not for signatures", j.KeyID, j.Use)
	}
	if len(j.KeyOps) > 0 && !slices.Contains(j.KeyOps, "verify") {
		return Key{}, fmt.Errorf("key %q is not for verification", j.KeyID)
	}
	var public any
	var err error
	alg := j.Algorithm
	switch j.KeyType {
	case "EC":
		public, alg, err = j.ecKey()
	case "RSA":
		public, err = j.rsaKey()
		if alg == "" {
			alg = RS256
		}
	case "OKP":
		public, err = j.okpKey()
		if alg == "" {
			alg = EdDSA
		}
	default:
		err = fmt.Errorf("key type %q is not supported", j.KeyType)
	}
	if err != nil {
		return Key{}, fmt.Errorf("key %q: %w", j.KeyID, err)
	}
	k, err := NewPublicKey(j.KeyID, alg, public)
	if err != nil {
		return Key{}, fmt.Errorf("key %q: %w", j.KeyID, err)
	}
	return k, nil
}

func (j JWK) ecKey() (public *ecdsa.PublicKey, alg string, err error) {
	var curve elliptic.Curve
	switch j.Curve {
	case "P-256":
		curve, alg = elliptic.P256(), ES256
	case "P-384":
		curve, alg = elliptic.P384(), ES384
	case "P-521":
		curve, alg = elliptic.P521(), ES512
	default:
		return nil, "", fmt.Errorf("curve %q is not supported", j.Curve)
	}
	if j.Algorithm != "" {
		alg = j.Algorithm
	}
	x, errX := b64.DecodeString(j.X)
	y, errY := b64.DecodeString(j.Y)
	// RFC 7518 §6.2.1.2: coordinates have the full length of the field.
	size := (curve.Params().BitSize + 7) / 8
	if errX != nil || errY != nil || len(x) != size || len(y) != size {
		return nil, "", fmt.Errorf("coordinates are not %d bytes in base64url", size)
	}
	// ParseUncompressedPublicKey refuses a point that is not on the curve.
	public, err = ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y))
	return public, alg, err
}

func (j JWK) rsaKey() (*rsa.PublicKey, error) {
	n, errN := b64.DecodeString(j.N)
	e, errE := b64.DecodeString(j.E)
	if errN != nil || errE != nil || len(n) == 0 || len(e) == 0 || len(e) > 4 || len(n) > maxRSABits/8+1 {
		return nil, errors.New("modulus or exponent is not an integer in base64url")
	}
	exponent := new(big.Int).SetBytes(e).Int64()
	if exponent > 1<<31-1 {
		return nil, errors.New("exponent is too large")
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent)}, nil
}

func (j JWK) okpKey() (ed25519.PublicKey, error) {
	if j.Curve != "Ed25519" {
		return nil, fmt.Errorf("curve %q is not supported", j.Curve)
	}
	x, err := b64.DecodeString(j.X)
	if err != nil || len(x) != ed25519.PublicKeySize {
		return nil, errors.New("public key is not 32 bytes in base64url")
	}
	return x, nil
}
