// Package stream owns live notifications: server-sent events (HTML Living
// Standard §9.2) to the person whose inbox it is, in every process of the
// service.
//
// PostgreSQL is the truth. A notice on the bus only says that something
// happened, and a stream then reads what is new; one that is lost is made good
// at the next heartbeat. So nothing is kept for a reader that is slow, and a
// reader that comes back with Last-Event-ID gets what it missed, once.
//
// What a notification is belongs to package notification, its JSON to the
// sibling rest.
package stream
