package jose

import "errors"

// The reasons why [Verify] refuses a token; compare with errors.Is. Their texts
// hold no part of the token's signature.
var (
	// ErrMalformed: the token is no JWS compact serialisation with JSON claims.
	ErrMalformed = errors.New("malformed token")
	// ErrSignature: the signature does not verify, or its algorithm is refused.
	ErrSignature = errors.New("signature does not verify")
	// ErrExpired: the token's time is over, or it has no "exp".
	ErrExpired = errors.New("token expired")
	// ErrNotYetValid: the token's "nbf" lies ahead.
	ErrNotYetValid = errors.New("token not yet valid")
	// ErrIssuer: the token is somebody else's.
	ErrIssuer = errors.New("unexpected issuer")
	// ErrAudience: the token is meant for somebody else.
	ErrAudience = errors.New("unexpected audience")
	// ErrType: the token's "typ" is another (RFC 8725 §3.11).
	ErrType = errors.New("unexpected token type")
	// ErrUnknownKey: no key of the set has the token's "kid" and "alg".
	ErrUnknownKey = errors.New("unknown key")
)
