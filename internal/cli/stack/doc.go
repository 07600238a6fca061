// Package stack owns how the parts of a Gatehouse process are put together,
// started in the order in which they need one another, and stopped in the
// reverse order: data folder, certificates, PostgreSQL, NATS, services, gateway.
//
// What a part does is its own package's. Flags, output and exit codes are the
// parent package's.
package stack
