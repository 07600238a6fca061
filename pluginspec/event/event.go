// Package event owns the JSON Schemas of the events that Gatehouse tells on
// its bus: envelope.json for the CloudEvents envelope, and for each type a
// file TYPE.json for its data. README.md says how to read them.
//
// It leaves the Go structs to internal/event, where a test holds the two
// against each other.
package event

import "embed"

// Schemas holds the schema files at its root (JSON Schema draft 2020-12).
//
//go:embed *.json
var Schemas embed.FS
