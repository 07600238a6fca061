// Package auth is the domain of the auth service: clients, sessions, grants,
// credentials, challenges and API keys, and the rules that hold for them
// wherever they are stored and however they are asked for.
//
// It leaves the person (address, status, roles, profile) to the user service,
// storage to services/auth/postgres, each endpoint to the package of its name
// below, and what is common to the OAuth endpoints to services/auth/oauth.
// Nothing here does I/O.
package auth
