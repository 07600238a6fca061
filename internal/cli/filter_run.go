package cli

import (
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse.example/internal/cli/filterrun"
)

func newFilterRun() *cobra.Command {
	var flags filterFlags
	o := filterrun.TryOptions{Listen: "127.0.0.1:0"}
	cmd := &cobra.Command{
		Use:   "run FILE.wasm",
		Short: "Try a filter on a gateway before a live upstream",
		Long: `Try a filter on a gateway before a live upstream.

Starts a gateway with this filter on every path, prints where it is, and what the
filter does to each request: its decision, the fuel that it burned (limits.fuel
bounds it), the time, and the header fields that it changed. When the file
changes it is loaded anew, or the reason why not is printed and the old one
stays. Access tokens of this installation and API keys are not verified here.`,
		Example: "  gatehouse filter run hello.wasm --upstream http://127.0.0.1:3000 --config '{\"header\":\"X-Hi\"}'",
		Args:    oneModule,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.Upstream == "" {
				return usagef(cmd, "--upstream is missing: the URL of what stands behind the filter, for example http://127.0.0.1:3000")
			}
			var err error
			if o.Config, err = flags.text(cmd); err != nil {
				return err
			}
			o.Options, o.Module, o.Grants, o.HTTPAllow, o.Out = sharedFilterCache(), args[0], flags.grants, flags.allow, cmd.OutOrStdout()
			o.Name = strings.TrimSuffix(filepath.Base(args[0]), filepath.Ext(args[0]))
			return filterrun.Try(cmd.Context(), o)
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&o.Upstream, "upstream", "", "URL behind the filter")
	cmd.Flags().StringVar(&o.Listen, "listen", o.Listen, "address of the gateway; port 0 is any that is free")
	return cmd
}
