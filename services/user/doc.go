// Package user is the domain of the user service, the system of record for
// people: what a user and its profile are, which values and changes of state
// are legal, and which event each change causes. [Accounts] are the use cases;
// the adapters around it are postgres (store), rest (public API), internalapi
// (what service/auth may ask) and app (assembly).
//
// It never sees a password, a session or a token: those are service/auth's. It
// knows neither HTTP nor SQL.
package user
