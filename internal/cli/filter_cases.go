package cli

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	kitv1 "gatehouse.example/pluginspec/filter/kit/v1"

	"gatehouse.example/internal/cli/filterrun"
)

const filterTestLong = `Test a compiled filter on the gateway's own filter host.

Without --cases it says whether the filter starts with its configuration. A file
of cases is JSON:

  {
    "config": {"header": "X-Hi"},
    "cases": [{
      "name": "adds the header",
      "request": {"method": "GET", "uri": "/", "header": {"Accept": "text/html"}},
      "response": {"status": 200},
      "expect": {"answered": false, "status": 200, "request": {"header": {"X-Hi": "hello"}}}
    }]
  }

"response" is what the upstream answers. "expect" knows answered, status, header,
body, attributes, refused and trap, and request with method, uri, header and
body; a header of null is one that must not be there. "advance": "1m" moves the
clock on before a case. Cases run in order on one started filter, unless they
have a config or grants of their own. What the filter needs is granted.`

func newFilterTest() *cobra.Command {
	var flags filterFlags
	var cases string
	var protocol bool
	cmd := &cobra.Command{
		Use:     "test FILE.wasm",
		Short:   "Test a compiled filter by a file of cases",
		Long:    filterTestLong,
		Example: "  gatehouse filter test hello.wasm --cases cases.json\n  gatehouse filter test hello.wasm --config '{\"header\":\"X-Hi\"}'",
		Args:    oneModule,
		RunE: func(cmd *cobra.Command, args []string) error {
			if protocol {
				return filterrun.Serve(cmd.Context(), args[0], os.Stdin, cmd.OutOrStdout(), sharedFilterCache())
			}
			config, err := flags.text(cmd)
			if err != nil {
				return err
			}
			if cases == "" {
				return startFilter(cmd, args[0], kitv1.Start{Config: config, Grants: flags.grants, GrantNeeds: true, HTTPAllow: flags.allow})
			}
			c, err := filterrun.ReadCases(cases)
			if err != nil {
				return err
			}
			if len(config) > 0 {
				c.Config = config
			}
			c.Grants = append(c.Grants, flags.grants...)
			return filterrun.RunCases(cmd.Context(), args[0], c, cmd.OutOrStdout(), sharedFilterCache())
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&cases, "cases", "", "file of cases")
	cmd.Flags().BoolVar(&protocol, "protocol", false, "speak the protocol of the test kit on standard input and output")
	_ = cmd.Flags().MarkHidden("protocol")
	return cmd
}

// startFilter only starts the filter.
func startFilter(cmd *cobra.Command, module string, start kitv1.Start) error {
	s, err := filterrun.Open(cmd.Context(), module, start, sharedFilterCache())
	var refused *filterrun.RefusedError
	if errors.As(err, &refused) {
		for _, line := range refused.Logs {
			fmt.Fprintln(cmd.ErrOrStderr(), "log: "+line)
		}
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "PASS  %s starts\n", cmp.Or(s.Started().Name, filepath.Base(module)))
	return s.Close(cmd.Context())
}
