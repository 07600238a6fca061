// Package outbound owns HTTP requests to addresses that users or clients
// supply: key sets, logos, webhooks, logout notices. Its client refuses to
// connect to networks that are not public, whatever a name resolves to at that
// moment, and bounds time, redirects and size. A client of its own is for
// addresses that the operator named ([Options.OperatorNamed]), which may be in
// private networks.
//
// Requests between our own services go through internal/api, and the gateway's
// requests to configured upstreams through its proxy.
package outbound
