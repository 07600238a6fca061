package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse.example/internal/cli/filterrun"
	"gatehouse.example/internal/cli/stack"
)

func newFilter() *cobra.Command {
	return group("filter", "Write, test and try WASM filters", "  gatehouse filter new hello --sdk ./sdk\n  gatehouse filter run hello.wasm --upstream http://127.0.0.1:3000",
		newFilterNew(), newFilterTest(), newFilterRun(), newFilterInspect(), newFilterCompile())
}

// newFilterCompile is hidden: `make` needs it.
func newFilterCompile() *cobra.Command {
	return &cobra.Command{
		Use:     "compile",
		Short:   "Compile the built-in filters into the cache, so that the first start is fast",
		Example: "  gatehouse filter compile",
		Hidden:  true,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd, nil)
			if err != nil {
				return err
			}
			return stack.CompileFilters(cmd.Context(), cfg)
		},
	}
}

// filterFlags are those of commands that start one filter.
type filterFlags struct {
	config string
	grants []string
	allow  []string
}

func (f *filterFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.config, "config", "", "the filter's configuration: JSON, or @FILE")
	flags.StringSliceVar(&f.grants, "grants", nil, "what the filter may do, with commas: kv,headers.cookie")
	flags.StringSliceVar(&f.allow, "http-allow", nil, "URLs below which the filter may send requests (with the grant http)")
}

// text returns the configuration as JSON.
func (f *filterFlags) text(cmd *cobra.Command) (json.RawMessage, error) {
	text := []byte(f.config)
	if name, ok := strings.CutPrefix(f.config, "@"); ok {
		var err error
		if text, err = os.ReadFile(name); err != nil {
			return nil, fmt.Errorf("--config: %w", err)
		}
	}
	if len(text) > 0 && !json.Valid(text) {
		return nil, usagef(cmd, "--config is not JSON; write it in quotes ('{\"header\":\"X-Hi\"}') or name a file (@config.json)")
	}
	return text, nil
}

// oneModule wants the name of a module's file.
func oneModule(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usagef(cmd, "want the file of one filter, for example hello.wasm")
	}
	return nil
}

// sharedFilterCache is where compiled filters are kept that belong to no
// installation.
func sharedFilterCache() filterrun.Options {
	dir, err := os.UserCacheDir()
	if err != nil {
		return filterrun.Options{}
	}
	dir = filepath.Join(dir, "gatehouse", "filters")
	if os.MkdirAll(dir, 0o700) != nil {
		return filterrun.Options{}
	}
	return filterrun.Options{CacheDir: dir}
}
