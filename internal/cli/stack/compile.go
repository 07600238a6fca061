package stack

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"gatehouse.example/gateway/wasm"
	"gatehouse.example/internal/config"
	"gatehouse.example/plugins/filters"
)

// CompileFilters compiles the built-in filters into the cache that gateways of
// this configuration use. What is there already is left alone.
func CompileFilters(ctx context.Context, cfg *config.Config) (err error) {
	host, err := wasm.New(ctx, wasm.Options{CacheDir: filterCache(cfg)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.Close(ctx)) }()
	group, ctx := errgroup.WithContext(ctx)
	for _, name := range filters.Names() {
		group.Go(func() error {
			module, err := filters.Module(name)
			if err != nil {
				return err
			}
			if err := host.Precompile(ctx, module); err != nil {
				return fmt.Errorf("filter %q: %w", name, err)
			}
			return nil
		})
	}
	return group.Wait()
}
