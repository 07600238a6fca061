// Package outbox owns telling events reliably: [Append] writes an event in
// the transaction that makes it true, a [Relay] publishes it after the commit
// at least once, and [Once] lets a consumer take it once.
//
// Events of one aggregate (source and subject) are published in the order in
// which their transactions committed. It relies on the tables of schema.sql,
// which the first migration of each service contains. It leaves carrying
// events to internal/bus and what they say to internal/event.
package outbox
