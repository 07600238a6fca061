package cli

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// output is the value of --output.
type output string

const (
	outputText output = "text"
	outputJSON output = "json"
)

// String implements pflag.Value.
func (o *output) String() string { return string(*o) }

// Type implements pflag.Value.
func (o *output) Type() string { return "text|json" }

// Set implements pflag.Value.
func (o *output) Set(s string) error {
	switch output(s) {
	case outputText, outputJSON:
		*o = output(s)
		return nil
	}
	return fmt.Errorf("want text or json")
}

// addOutput adds --output to a command that prints data.
func addOutput(cmd *cobra.Command) *output {
	o := outputText
	cmd.Flags().Var(&o, "output", "how the result is printed")
	return &o
}

// printJSON prints v as indented JSON.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
