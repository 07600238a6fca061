// Package telemetry owns how a process tells what it does: structured logs
// without secrets, Prometheus metrics, OpenTelemetry traces, and the HTTP
// middleware that feeds all three.
//
// Metrics of a subsystem are defined where they are counted, on the registry
// that this package sets up. The gateway counts its own requests; the
// middleware is for the services' net/http servers.
package telemetry
