package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"gatehouse.example/internal/cli/scaffold"
)

func newFilterNew() *cobra.Command {
	o := scaffold.Options{Template: scaffold.Go}
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Make a folder with a new filter, its tests and what builds it",
		Long: `Make a folder with a new filter, its tests and what builds it.

The template go uses the SDK, in the folder that --sdk names (sdk in a checkout;
pluginspec stands beside it), and builds without the network. assemblyscript
needs npm, tinygo needs TinyGo and is untested; both speak the plain http-wasm
ABI and need no SDK.`,
		Example: "  gatehouse filter new hello --sdk ./sdk\n  gatehouse filter new hello --template assemblyscript",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef(cmd, "want one name, for example hello")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Name = args[0]
			if o.Template == scaffold.Go && o.SDK == "" {
				return usagef(cmd, "--sdk is missing: the folder of the SDK, sdk in a checkout of Gatehouse")
			}
			if self, err := os.Executable(); err == nil {
				o.Gatehouse = self
			}
			made, err := scaffold.New(o)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "made %s: see %s/README.md\n", made, made)
			return nil
		},
	}
	cmd.Flags().StringVar(&o.SDK, "sdk", "", "folder of the SDK (template go)")
	cmd.Flags().StringVar(&o.Template, "template", o.Template, "go, assemblyscript or tinygo")
	cmd.Flags().StringVar(&o.Module, "module", "", "path of the Go module (default example.com/NAME)")
	return cmd
}
