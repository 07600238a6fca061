package auth

import (
	"crypto/sha256"
	"encoding/base64"
)

// MethodS256 is the only code_challenge_method here. "plain" protects nothing
// once a request leaks (RFC 9700 §2.1.1).
const MethodS256 = "S256"

// ValidCodeChallenge reports whether challenge can be the S256 transformation
// of a verifier: 43 base64url characters (RFC 7636 §4.2).
func ValidCodeChallenge(challenge string) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(challenge)
	return err == nil && len(raw) == sha256.Size
}

// ValidCodeVerifier reports whether verifier has 43 to 128 unreserved
// characters (RFC 7636 §4.1).
func ValidCodeVerifier(verifier string) bool {
	if len(verifier) < 43 || len(verifier) > 128 {
		return false
	}
	for i := range len(verifier) {
		c := verifier[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '-', c == '.', c == '_', c == '~':
		default:
			return false
		}
	}
	return true
}

// CodeChallenge is BASE64URL(SHA256(verifier)) (RFC 7636 §4.6).
func CodeChallenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
