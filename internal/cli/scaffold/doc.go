// Package scaffold owns the templates of new filters and what makes a folder of
// one: names, the Go module's path to the SDK, and its checksums.
//
// It leaves the command line to internal/cli, and what a filter can do to
// sdk/filter.
package scaffold
