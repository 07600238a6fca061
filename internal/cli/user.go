package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

// newUser runs the user service alone, or manages people with a subcommand.
func newUser() *cobra.Command {
	cmd := newServe("user", "Run the user service alone, or manage people with a subcommand")
	cmd.Example += "\n  gatehouse user create --email ada@example.com"
	cmd.Args = noCommand
	cmd.AddCommand(newUserCreate())
	return cmd
}

func newUserCreate() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "create",
		Short:   "Create a person in a running installation",
		Long:    "The person has no password yet and can't sign in until it has set one.",
		Example: "  gatehouse user create --email ada@example.com --username ada --output json",
		Args:    noArguments,
	}
	email := cmd.Flags().String("email", "", "email address (required)")
	username := cmd.Flags().String("username", "", "name to sign in with, besides the address")
	addRemote(cmd)
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *email == "" {
			return usagef(cmd, "--email is missing")
		}
		r, err := newRemote(cmd)
		if err != nil {
			return err
		}
		in := map[string]string{"email": *email}
		if *username != "" {
			in["username"] = *username
		}
		var made map[string]any
		if err := r.post(cmd.Context(), "/v1/users", in, &made); err != nil {
			return err
		}
		if *out == outputJSON {
			return printJSON(cmd.OutOrStdout(), made)
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "id      %v\nemail   %v\nstatus  %v\n", made["id"], made["email"], made["status"])
		return err
	}
	return cmd
}
