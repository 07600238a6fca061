// Package inspect owns what an operator is told of a module before it becomes
// a filter: the ABIs it speaks, what it imports and exports, which grants it
// needs, its size and digest, and the entry for the gateway's configuration.
//
// It runs nothing itself: what a filter says of itself is asked through the
// host (gateway/wasm), and whether a configuration fits is found out by
// gateway/reload.
package inspect

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/wasm"
	"gatehouse.example/gateway/wasm/fuel"
)

// pageBytes is the size of a page of linear memory.
const pageBytes = 64 << 10

// Report is what is known of a module.
type Report struct {
	// Module is where it comes from, as in the configuration.
	Module string `json:"module"`
	// Name is what the filter calls itself, or "".
	Name string `json:"name,omitempty"`
	// ABIs are those that it speaks: see the constants.
	ABIs []string `json:"abis"`
	// Supported says that the gateway can run it.
	Supported bool `json:"supported"`
	// Kind is reactor or command.
	Kind string `json:"kind"`
	// ResponsePhase says that it wants to see responses.
	ResponsePhase bool `json:"response_phase"`
	// Grants are what it needs: its own words, or what its imports need.
	Grants []string `json:"grants"`
	// MayUse are further grants that its imports could use.
	MayUse []string `json:"may_use,omitempty"`
	// Described says that Grants and ResponsePhase are the filter's own words.
	Described bool `json:"described"`
	// Notes are what follows for an operator, one sentence each.
	Notes []string `json:"notes,omitempty"`
	// ConfigSchema is the JSON Schema of its configuration, or nil.
	ConfigSchema json.RawMessage `json:"config_schema,omitempty"`
	// SizeBytes and SHA256 are those of the module's bytes.
	SizeBytes int64  `json:"size_bytes"`
	SHA256    string `json:"sha256"`
	// MemoryMinBytes is what an instance starts with, MemoryMaxBytes what it
	// could grow to without the gateway's limit.
	MemoryMinBytes int64 `json:"memory_min_bytes"`
	MemoryMaxBytes int64 `json:"memory_max_bytes"`
	// Tables are those that it defines.
	Tables []Table `json:"tables"`
	// Restorable says that an instance can be put back to its start after a
	// trap, in place of a new one.
	Restorable bool `json:"restorable"`
	// Imports and Exports are in the module's order.
	Imports []Symbol `json:"imports"`
	Exports []Symbol `json:"exports"`
}

// Symbol is an import or an export.
type Symbol struct {
	// Module is where an import comes from.
	Module string `json:"module,omitempty"`
	Name   string `json:"name"`
	// Kind is function, table, memory or global; Type the signature of a
	// function or the type of a global.
	Kind string `json:"kind"`
	Type string `json:"type,omitempty"`
}

// The ABIs of [Report]. proxy-wasm modules import from env and export their
// ABI's version.
const (
	ABIHTTPWasm  = "http-wasm handler"
	ABIGatehouse = filterv1.Module
	ABIWASI      = "WASI preview 1"
	ABIProxyWasm = "proxy-wasm"
)

// Describer asks a module what it says of itself, as [wasm.Host] does.
type Describer interface {
	Describe(ctx context.Context, binary []byte) (wasm.Description, error)
}

var _ Describer = (*wasm.Host)(nil)

// Module looks at binary, which comes from module ("builtin:NAME", "file:PATH").
//
// # Errors
//
// What is no WebAssembly module, imports what no host here has, exports no
// handler, or does not start. A proxy-wasm module is no error: the report says
// that it is not supported yet.
func Module(ctx context.Context, d Describer, module string, binary []byte) (*Report, error) {
	m, err := fuel.Instrument(binary, fuel.Options{})
	if err != nil {
		return nil, fmt.Errorf("%s is no WebAssembly module that the gateway can run: %w", module, err)
	}
	sum := sha256.Sum256(binary)
	r := &Report{
		Module: module, SizeBytes: int64(len(binary)), SHA256: hex.EncodeToString(sum[:]), Kind: "reactor",
		MemoryMinBytes: int64(m.MemoryMin) * pageBytes, MemoryMaxBytes: int64(m.MemoryMax) * pageBytes,
		Restorable: m.Restorable, Tables: tables(binary), Grants: []string{},
		Imports: make([]Symbol, 0, len(m.Imports)), Exports: make([]Symbol, 0, len(m.Exports)),
	}
	for _, i := range m.Imports {
		r.Imports = append(r.Imports, Symbol{i.Module, i.Name, i.Kind, i.Type})
	}
	for _, e := range m.Exports {
		r.Exports = append(r.Exports, Symbol{"", e.Name, e.Kind, e.Type})
	}
	if r.exports("_start") {
		r.Kind = "command"
	}
	r.abis()
	if !r.Supported {
		return r, nil
	}
	about, err := d.Describe(ctx, binary)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", module, err)
	}
	r.Name, r.Described, r.ResponsePhase, r.ConfigSchema = about.Name, about.Described, about.ResponsePhase, about.ConfigSchema
	r.grants(about.Grants)
	r.notes()
	return r, nil
}

func (r *Report) exports(name string) bool {
	return slices.ContainsFunc(r.Exports, func(s Symbol) bool { return s.Name == name })
}

func (r *Report) imports(module string, names ...string) bool {
	return slices.ContainsFunc(r.Imports, func(s Symbol) bool {
		return s.Module == module && (len(names) == 0 || slices.Contains(names, s.Name))
	})
}

// abis finds out which ABIs the module speaks.
func (r *Report) abis() {
	const proxyVersion = "proxy_abi_version_"
	for _, e := range r.Exports {
		if version, ok := strings.CutPrefix(e.Name, proxyVersion); ok {
			r.ABIs = append(r.ABIs, ABIProxyWasm+" "+strings.ReplaceAll(version, "_", ".")+": not supported yet")
			return
		}
	}
	if slices.ContainsFunc(r.Imports, func(s Symbol) bool { return s.Module == "env" && strings.HasPrefix(s.Name, "proxy_") }) {
		r.ABIs = append(r.ABIs, ABIProxyWasm+": not supported yet")
		return
	}
	r.Supported = true
	r.ABIs = append(r.ABIs, ABIHTTPWasm)
	if r.imports(filterv1.Module) || r.exports(filterv1.ExportDescribe) || r.exports(filterv1.ExportStart) {
		r.ABIs = append(r.ABIs, ABIGatehouse)
	}
	if r.imports("wasi_snapshot_preview1") {
		r.ABIs = append(r.ABIs, ABIWASI)
	}
}
