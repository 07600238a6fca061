package filterrun

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	gateway "gatehouse.example/gateway/app"
	"gatehouse.example/gateway/filter"
	"gatehouse.example/gateway/wasm"
)

// TryOptions are the options of [Try].
type TryOptions struct {
	Options
	// Module is the path of the filter's module.
	Module string
	// Name is what the filter is called.
	Name string
	// Upstream is the URL behind it, Listen the gateway's address.
	Upstream, Listen string
	// Config is the filter's configuration; empty is none.
	Config json.RawMessage
	// Grants are what it may do.
	Grants []string
	// HTTPAllow is where it may call.
	HTTPAllow []string
	// Out takes where the gateway is, each decision and each reload.
	Out io.Writer
}

// Try runs a gateway with one filter on every path before a live upstream,
// until ctx is done. It prints what the filter does to each request, and reloads
// the module when its file changes.
//
// # Errors
//
// The filter does not start, or the gateway does not.
func Try(ctx context.Context, o TryOptions) (err error) {
	dir, err := os.MkdirTemp("", "gatehouse-filter-run-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	file := filepath.Join(dir, "gateway.yaml")
	if err := writeConfig(file, &o); err != nil {
		return err
	}
	p := &printer{out: o.Out, module: o.Module}
	logger := slog.New(p)
	host, err := wasm.New(ctx, wasm.Options{
		CacheDir: o.CacheDir, Logger: slog.New(talkative{p}), Limits: filter.Limits{LogLines: logLines},
	})
	if err != nil {
		return err
	}
	// What is freed must be freed although ctx is over by then.
	defer func() { err = errors.Join(err, host.Close(context.WithoutCancel(ctx))) }()
	g, err := gateway.New(ctx, gateway.Options{
		ConfigFile: file, Filters: watched{host, p}, Logger: logger,
	})
	if err != nil {
		return errors.New(cleaned(err.Error(), file))
	}
	p.line("filter %s on http://%s before %s; Ctrl-C ends", o.Name, g.Addresses().HTTP, o.Upstream)
	return g.Run(ctx)
}

// writeConfig writes the gateway's configuration. JSON is YAML.
func writeConfig(file string, o *TryOptions) error {
	module, err := filepath.Abs(o.Module)
	if err != nil {
		return err
	}
	o.Module = module
	of := map[string]any{"module": "file:" + module}
	if len(o.Config) > 0 {
		of["config"] = o.Config
	}
	if len(o.Grants) > 0 {
		of["grants"] = o.Grants
	}
	if len(o.HTTPAllow) > 0 {
		of["http"] = map[string]any{"allow": o.HTTPAllow}
	}
	type object = map[string]any
	text, err := json.MarshalIndent(object{
		"listeners": []object{{"address": o.Listen}},
		"filters":   object{o.Name: of},
		"upstreams": object{"upstream": object{"targets": []string{o.Upstream}}},
		"routes":    []object{{"name": "all", "match": object{"path": "/*"}, "filters": []string{o.Name}, "upstream": "upstream"}},
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("write gateway configuration: %w", err)
	}
	return os.WriteFile(file, text, 0o600)
}
