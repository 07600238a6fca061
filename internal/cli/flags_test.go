package cli

import (
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestFlagHelp: pflag takes what stands in back quotes for the name of the
// flag's value, so that help would say `--data gatehouse dev`.
func TestFlagHelp(t *testing.T) {
	var look func(cmd *cobra.Command)
	look = func(cmd *cobra.Command) {
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if name, usage := pflag.UnquoteUsage(f); strings.Contains(name, " ") || usage != f.Usage {
				t.Errorf("%s --%s %s: %s", cmd.CommandPath(), f.Name, name, usage)
			}
		})
		for _, child := range cmd.Commands() {
			look(child)
		}
	}
	look(newRoot(io.Discard, io.Discard))
}
