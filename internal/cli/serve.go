package cli

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"gatehouse.example/internal/cli/stack"
)

// newServe returns the command that runs one part alone.
func newServe(part, short string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   part,
		Short: short,
		Long: short + ", from the same configuration as `gatehouse dev`, on an existing PostgreSQL and NATS\n" +
			"(database.url, bus.url) and with certificates from `gatehouse cert issue`. Logs go to standard error.",
		Example: "  GATEHOUSE_BUS__URL=nats://nats.internal:4222 gatehouse " + part + " --config /etc/gatehouse/gatehouse.yaml",
		Args:    noArguments,
	}
	if part == stack.PartGateway {
		cmd.Example = "  gatehouse gateway --config /etc/gatehouse/gatehouse.yaml --http 0.0.0.0:8080"
		cmd.Flags().String("http", "", "address of the plain listener (gateway.listen)")
		cmd.Flags().String("https", "", "address of the TLS listener (gateway.listen_tls)")
	} else {
		cmd.Flags().String("listen", "", "address to listen on ("+part+".listen)")
	}
	if part == stack.PartGraph {
		cmd.Long = short + ", from the same configuration as `gatehouse dev`, with a certificate from `gatehouse cert issue`.\n" +
			"It needs no database: it asks the other services (user.address, auth.address, email.address). Logs go to standard error."
		cmd.Example = "  gatehouse graph --config /etc/gatehouse/gatehouse.yaml --listen 0.0.0.0:9104"
	}
	cmd.Flags().String("data", "", "data folder, with the certificates")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := loadConfig(cmd, settings{
			"data": "data", "http": "gateway.listen", "https": "gateway.listen_tls", "listen": part + ".listen",
		})
		if err != nil {
			return err
		}
		outliveReaders()
		s, err := stack.Alone(cmd.Context(), stack.Options{Config: cfg, Version: buildVersion(), Logs: os.Stderr}, part)
		if err != nil {
			return startError(cmd.Context(), err)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "gatehouse %s: listening\n", part)
		return errors.Join(s.Wait(cmd.Context()), s.Stop())
	}
	return cmd
}
