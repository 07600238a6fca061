// Package config owns the configuration of a Gatehouse process: its shape and
// defaults, the layers it is read from (defaults, YAML file, environment,
// flags) and errors that say in which layer and place a value is wrong.
//
// The gateway's own file (listeners, filters, routes) is described in
// gateway/config, which uses [DecodeStrict] and [Bytes] from here. What a value
// means is left to the package that it configures.
package config
