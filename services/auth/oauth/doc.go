// Package oauth owns the wire form that the OAuth endpoints share: strict
// parameters (RFC 6749 §3.1, §3.2), JSON answers that nobody caches (§5.1), and
// errors in the form of §5.2.
//
// What a parameter means is left to the endpoints, who the client is to
// services/auth/clientauth.
package oauth
