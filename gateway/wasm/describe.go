package wasm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/filter"
)

// Kind is how a module is built.
type Kind string

// The kinds of modules.
const (
	// Reactor is a module with an _initialize, or without any start.
	Reactor Kind = "reactor"
	// Command is a module with a _start.
	Command Kind = "command"
)

// Description is what a filter says of itself with gatehouse_describe. For a
// plain http-wasm handler, which says nothing, it is what holds for those.
type Description struct {
	// Name is the filter's own name.
	Name string `json:"name"`
	// Described is whether the module says anything; else it is a plain
	// http-wasm handler.
	Described bool `json:"described"`
	// Kind is how the module is built.
	Kind Kind `json:"kind"`
	// ResponsePhase is whether the filter wants to see responses, for which it
	// keeps an instance while the upstream works.
	ResponsePhase bool `json:"response_phase"`
	// Grants are the capabilities that the filter does not work without.
	Grants []string `json:"grants"`
	// ConfigSchema is the JSON Schema of its configuration; nil where it has
	// none.
	ConfigSchema json.RawMessage `json:"config_schema,omitempty"`
}

// maxDescriptionBytes bounds what a filter says of itself.
const maxDescriptionBytes = 1 << 20

// Describe compiles and starts a module, without a configuration, and returns
// what it says of itself.
//
// # Errors
//
// Those of Build for a module that does not compile or start.
func (h *Host) Describe(ctx context.Context, binary []byte) (Description, error) {
	f, err := h.prepare(ctx, filter.Spec{Name: "describe"}, binary)
	if err != nil {
		return Description{}, err
	}
	i, err := f.instantiate(ctx, 0)
	if err != nil {
		return Description{}, errors.Join(err, f.abandon(ctx))
	}
	d, err := i.describe()
	i.close()
	return d, errors.Join(err, f.abandon(ctx))
}

// describe runs gatehouse_describe. A module without it is a plain http-wasm
// handler: it has a response phase, and needs nothing.
func (i *instance) describe() (Description, error) {
	d := Description{Kind: Reactor, ResponsePhase: true}
	if i.module.ExportedFunction(exportCommand) != nil {
		d.Kind = Command
	}
	f := i.module.ExportedFunction(filterv1.ExportDescribe)
	if f == nil {
		return d, nil
	}
	result, err := f.Call(i.Instance)
	if err != nil {
		return d, fmt.Errorf("%s: %w", filterv1.ExportDescribe, i.trapped(err))
	}
	text, ok := i.module.Memory().Read(uint32(result[0]>>32), uint32(result[0]))
	switch {
	case !ok:
		return d, fmt.Errorf("%s: the text lies outside the memory", filterv1.ExportDescribe)
	case len(text) > maxDescriptionBytes:
		return d, fmt.Errorf("%s: the text has %d bytes, the limit is %d", filterv1.ExportDescribe, len(text), maxDescriptionBytes)
	}
	said := struct {
		Name          string          `json:"name"`
		ResponsePhase bool            `json:"response_phase"`
		Grants        []string        `json:"grants"`
		ConfigSchema  json.RawMessage `json:"config_schema"`
	}{}
	if err := json.Unmarshal(text, &said); err != nil {
		return d, fmt.Errorf("%s: %w", filterv1.ExportDescribe, err)
	}
	d.Described, d.Name, d.ResponsePhase = true, said.Name, said.ResponsePhase
	d.Grants, d.ConfigSchema = said.Grants, said.ConfigSchema
	return d, nil
}
