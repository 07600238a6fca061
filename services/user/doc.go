// Package user is the domain of the user service, the system of record for
// people: what a user, its profile and its preferences are, which values and
// changes of state are legal, and which events and audit records each change
// leaves ([Trail]). [Accounts], [Preferences] and [Roles] are the use cases; the
// adapters around it are postgres (store), rest (public API), internalapi
// (what service/auth may ask) and app (assembly).
//
// It never sees a password, a session or a token: those are service/auth's. It
// knows neither HTTP nor SQL.
package user
