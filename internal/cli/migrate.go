package cli

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"gatehouse.example/internal/cli/stack"
	"gatehouse.example/internal/database"
)

func newMigrate() *cobra.Command {
	return group("migrate", "Bring the database's schemas up to date",
		"  gatehouse migrate up --database-url postgres://owner@db/gatehouse\n  gatehouse migrate status", newMigrateUp(), newMigrateStatus())
}

func migrateOptions(cmd *cobra.Command) (database.MigrateOptions, error) {
	cfg, err := loadConfig(cmd, settings{"database-url": "database.url"})
	if err != nil {
		return database.MigrateOptions{}, err
	}
	if cfg.Database.URL == "" {
		return database.MigrateOptions{}, errors.New("database.url is not set: name the owner's connection with --database-url or GATEHOUSE_DATABASE__URL (`gatehouse dev` migrates its own PostgreSQL by itself)")
	}
	return database.MigrateOptions{
		URL: cfg.Database.URL.Reveal(), Sets: stack.MigrationSets(),
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}, nil
}

func newMigrateUp() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Apply what is pending; safe to run from several places at once",
		Long: "Needs the owner's login, which makes the schemas auth, user and email and the roles gatehouse_auth,\n" +
			"gatehouse_user and gatehouse_email. Give each service a login that is a member of its role.",
		Example: "  gatehouse migrate up --database-url postgres://owner:secret@db.internal/gatehouse",
		Args:    noArguments,
	}
	cmd.Flags().String("database-url", "", "the owner's connection (database.url)")
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o, err := migrateOptions(cmd)
		if err != nil {
			return err
		}
		applied, err := database.Migrate(cmd.Context(), o)
		if *out == outputJSON {
			if applied == nil {
				applied = []string{}
			}
			return errors.Join(err, printJSON(cmd.OutOrStdout(), map[string]any{"applied": applied}))
		}
		for _, name := range applied {
			fmt.Fprintln(cmd.OutOrStdout(), "applied", name)
		}
		if err == nil && len(applied) == 0 {
			fmt.Fprintln(cmd.OutOrStdout(), "nothing to do")
		}
		return err
	}
	return cmd
}

func newMigrateStatus() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "List the migrations and whether they are applied",
		Example: "  gatehouse migrate status --output json",
		Args:    noArguments,
	}
	cmd.Flags().String("database-url", "", "the owner's connection (database.url)")
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o, err := migrateOptions(cmd)
		if err != nil {
			return err
		}
		all, err := database.Status(cmd.Context(), o)
		if err != nil {
			return err
		}
		if *out == outputJSON {
			return printJSON(cmd.OutOrStdout(), map[string]any{"items": all})
		}
		for _, m := range all {
			fmt.Fprintf(cmd.OutOrStdout(), "%-8s %s/%04d_%s\n", m.State, m.Service, m.Version, m.Name)
		}
		return nil
	}
	return cmd
}
