// Package e2e owns the tests that start the real binary on free ports, with
// its real PostgreSQL, NATS, filters and plugins, and walk through it as its
// users do: by HTTP, by browser and by the README's own words. It has no code
// that production uses.
package e2e
