// Package filters owns the built-in filters as WebAssembly modules, embedded
// into the binary: what "builtin:NAME" means in the gateway's configuration.
//
// The filters themselves are the folders below, programs on the public SDK
// alone. Their modules are built by make plugins into dist and not committed;
// this package compiles without them.
package filters

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

//go:embed all:dist
var dist embed.FS

// Names lists the built-in filters.
func Names() []string { return []string{"apikey", "cors", "jwt", "ratelimit"} }

// Module returns the WebAssembly module of a built-in filter.
//
// # Errors
//
// An unknown name lists the known ones; a module that was not built names the
// command that builds it.
func Module(name string) ([]byte, error) {
	if !slices.Contains(Names(), name) {
		return nil, fmt.Errorf("no built-in filter %q; there are %s", name, strings.Join(Names(), ", "))
	}
	data, err := dist.ReadFile("dist/" + name + ".wasm")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("built-in filter %q is not in this binary: run make plugins, then build again", name)
	}
	return data, err
}
