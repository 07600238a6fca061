// Package identity owns who acts: the principal of a request, the internal
// token that carries it from the gateway to the services, and the table that
// says which service may call which operation of another.
//
// Certificates and mutual TLS are left to internal/mtls, signatures to
// internal/jose, what a person's roles permit to internal/rbac. The gateway
// makes principals out of access tokens and API keys; this package only
// carries them on.
package identity
