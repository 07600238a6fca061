package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"gatehouse.example/internal/cli/stack"
)

func newAdmin() *cobra.Command {
	return group("admin", "Make the first administrator", "  gatehouse admin invite", newAdminInvite())
}

func newAdminInvite() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "invite",
		Short: "Print a one-time link with which the first administrator sets itself up",
		Long: "Writes to auth's database (auth.database_url or database.url). A new link replaces one that was not\n" +
			"used. `gatehouse dev` prints such a link by itself.",
		Example: "  GATEHOUSE_DATABASE__URL=postgres://owner@db.internal/gatehouse gatehouse admin invite",
		Args:    noArguments,
	}
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := loadConfig(cmd, nil)
		if err != nil {
			return err
		}
		link, expires, err := stack.InviteAdministrator(cmd.Context(), cfg)
		if err != nil {
			return err
		}
		if *out == outputJSON {
			return printJSON(cmd.OutOrStdout(), map[string]string{"admin_setup_url": link, "expires_at": expires.UTC().Format(time.RFC3339)})
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), link)
		return err
	}
	return cmd
}
