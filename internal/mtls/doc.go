// Package mtls owns the identities of Gatehouse's processes: the internal
// certificate authority, the certificates with a SPIFFE id that it issues, and
// the TLS configurations by which services prove who they are to one another.
//
// What a service may do with its identity is decided in internal/identity.
// Certificates that a public authority issues for the gateway's listeners are
// not its concern.
package mtls
