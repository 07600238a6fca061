// Package jose owns signed tokens and keys as JSON: making and verifying JWS
// compact serialisations (RFC 7515), JWKs and key sets (RFC 7517, RFC 8037),
// thumbprints (RFC 7638), and following the key set of somebody else's issuer.
//
// A key is pinned to one algorithm (RFC 8725 §3.1) and "none" does not exist
// here. What a token's claims allow is left to the callers: internal/identity
// for the tokens between our services, the auth service and the gateway for
// access tokens. Outbound requests go through the client that the caller gives
// (internal/outbound for addresses that strangers supply).
package jose
