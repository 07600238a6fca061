package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"fmt"

	"github.com/golang-jwt/jwt/v5"
)

// The algorithms that Gatehouse signs or verifies (RFC 7518 §3.1, RFC 8037
// §3.1, RFC 9864 §2.2). There is no symmetric one and no "none".
const (
	ES256   = "ES256"
	ES384   = "ES384"
	ES512   = "ES512"
	RS256   = "RS256"
	RS384   = "RS384"
	RS512   = "RS512"
	PS256   = "PS256"
	PS384   = "PS384"
	PS512   = "PS512"
	EdDSA   = "EdDSA"
	Ed25519 = "Ed25519"
)

const (
	// minRSABits: RFC 7518 §3.3 requires 2048 bits or more.
	minRSABits = 2048
	// maxRSABits keeps a stranger's key from costing milliseconds a request.
	maxRSABits = 8192
)

// method returns the signing method of alg, or nil if there is none.
func method(alg string) jwt.SigningMethod {
	switch alg {
	case ES256:
		return jwt.SigningMethodES256
	case ES384:
		return jwt.SigningMethodES384
	case ES512:
		return jwt.SigningMethodES512
	case RS256:
		return jwt.SigningMethodRS256
	case RS384:
		return jwt.SigningMethodRS384
	case RS512:
		return jwt.SigningMethodRS512
	case PS256:
		return jwt.SigningMethodPS256
	case PS384:
		return jwt.SigningMethodPS384
	case PS512:
		return jwt.SigningMethodPS512
	case EdDSA, Ed25519:
		return jwt.SigningMethodEdDSA
	default:
		return nil
	}
}

// checkPublic reports why public cannot be used with alg.
func checkPublic(alg string, public crypto.PublicKey) error {
	switch m := method(alg).(type) {
	case *jwt.SigningMethodECDSA:
		key, ok := public.(*ecdsa.PublicKey)
		if !ok || key.Curve == nil || key.Curve.Params().BitSize != m.CurveBits {
			return fmt.Errorf("%s needs an ECDSA key on a curve of %d bits", alg, m.CurveBits)
		}
	case *jwt.SigningMethodRSA, *jwt.SigningMethodRSAPSS:
		key, ok := public.(*rsa.PublicKey)
		if !ok || key.N == nil {
			return fmt.Errorf("%s needs an RSA key", alg)
		}
		if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return fmt.Errorf("%s needs an RSA key of %d to %d bits, not %d", alg, minRSABits, maxRSABits, bits)
		}
		if key.E < 3 || key.E%2 == 0 {
			return fmt.Errorf("%s: RSA exponent %d is invalid", alg, key.E)
		}
	case *jwt.SigningMethodEd25519:
		if key, ok := public.(ed25519.PublicKey); !ok || len(key) != ed25519.PublicKeySize {
			return fmt.Errorf("%s needs an Ed25519 key", alg)
		}
	default:
		return fmt.Errorf("algorithm %q is not supported", alg)
	}
	return nil
}
