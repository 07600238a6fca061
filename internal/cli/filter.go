package cli

import (
	"github.com/spf13/cobra"

	"gatehouse.example/internal/cli/stack"
)

// newFilter is hidden until there is more below it than what `make` needs.
func newFilter() *cobra.Command {
	cmd := group("filter", "Work with WASM filters", "  gatehouse filter compile", newFilterCompile())
	cmd.Hidden = true
	return cmd
}

func newFilterCompile() *cobra.Command {
	return &cobra.Command{
		Use:     "compile",
		Short:   "Compile the built-in filters into the cache, so that the first start is fast",
		Example: "  gatehouse filter compile",
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
