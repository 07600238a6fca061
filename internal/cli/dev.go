package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"gatehouse.example/internal/cli/stack"
	"gatehouse.example/internal/config"
)

// readyTimeout bounds the start of "dev", which may have to make a database
// and compile filters.
const readyTimeout = 2 * time.Minute

func newDev() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run everything in one process, on this machine only",
		Long: "Starts a PostgreSQL and a NATS server of its own below the data folder, the services with mutual TLS\n" +
			"between them, and the gateway, all on loopback addresses. Ctrl-C stops everything.\n" +
			"With port 0 for --http or --https, services whose ports nobody set take free ones too;\n" +
			"addresses.json in the data folder says which.",
		Example: "  gatehouse dev\n  gatehouse dev --data /tmp/gh --http 127.0.0.1:9090 --https 127.0.0.1:9443",
		Args:    noArguments,
	}
	f := cmd.Flags()
	f.String("data", "", "data folder (default ./var)")
	f.String("http", "", "address of the gateway (default 127.0.0.1:8080)")
	f.String("https", "", "address of the gateway with TLS (default 127.0.0.1:8443)")
	f.String("issuer", "", "public address and issuer (default http://localhost:PORT)")
	f.String("database-url", "", "use this PostgreSQL, as its owner, instead of an own one")
	f.String("nats-url", "", "use this NATS server instead of an own one")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := loadConfig(cmd, settings{
			"data": "data", "http": "gateway.listen", "https": "gateway.listen_tls", "issuer": "issuer",
			"database-url": "database.url", "nats-url": "bus.url",
		})
		if err != nil {
			return err
		}
		return runDev(cmd.Context(), cfg, cmd.Flag("issuer").Changed, cmd.OutOrStdout())
	}
	return cmd
}

func runDev(ctx context.Context, cfg *config.Config, issuerGiven bool, stdout io.Writer) error {
	started := time.Now()
	outliveReaders()
	logs, err := openLog(cfg.Data)
	if err != nil {
		return err
	}
	defer logs.Close()
	s, err := stack.Dev(ctx, stack.Options{Config: cfg, Version: buildVersion(), Logs: logs, IssuerGiven: issuerGiven})
	if err != nil {
		return startError(ctx, err)
	}
	err = func() error {
		ready, cancel := context.WithTimeout(ctx, readyTimeout)
		defer cancel()
		if err := s.AwaitReady(ready); err != nil {
			return startError(ctx, err)
		}
		if err := s.Publish(ready); err != nil {
			return startError(ctx, err)
		}
		banner(stdout, cfg, s, time.Since(started))
		return s.Wait(ctx)
	}()
	if ctx.Err() != nil && err == nil {
		fmt.Fprintln(stdout, "gatehouse: stopping")
	}
	return errors.Join(err, s.Stop())
}

// banner says what somebody needs to begin.
func banner(w io.Writer, cfg *config.Config, s *stack.Stack, took time.Duration) {
	at, b := s.Addresses(), s.Bootstrap()
	fmt.Fprintf(w, "\nGatehouse is ready (%.1f s).\n\n", took.Seconds())
	row := func(name, text string) { fmt.Fprintf(w, "  %-15s %s\n", name, text) }
	row("Gateway", cfg.Issuer)
	row("with TLS", fmt.Sprintf("https://%s   (trust %s)", byName(at.HTTPS), cfg.ResolveData(cfg.TLS.CA)))
	if b.AdminSetupURL != "" {
		row("Administrator", b.AdminSetupURL+"   (once)")
	}
	row("Mail", cfg.Issuer+"/dev/mailbox")
	row("Metrics", "http://"+at.Admin+"/metrics")
	row("Configuration", cfg.Dir())
	row("Data and logs", cfg.Data+", "+filepath.Join(cfg.Data, "logs"))
	fmt.Fprintf(w, "\nCtrl-C stops it.\n")
}

// byName is a loopback address with the name that pages and cookies go by.
func byName(address string) string {
	host, port, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return address
	}
	return net.JoinHostPort("localhost", port)
}

// maxLogBytes is the size beyond which a start begins a new log and keeps the
// old one as gatehouse.log.1.
const maxLogBytes = 32 << 20

// openLog opens the log file of "dev"; the console shows only the banner.
func openLog(data string) (*os.File, error) {
	dir := filepath.Join(data, "logs")
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return nil, fmt.Errorf("data folder %s can't be used: %w; mend its permissions or choose another with --data", data, err)
	}
	name := filepath.Join(dir, "gatehouse.log")
	if info, err := os.Stat(name); err == nil && info.Size() > maxLogBytes {
		_ = os.Rename(name, name+".1") // else it goes on growing, which beats not starting
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data folder %s can't be written: %w; mend its permissions or choose another with --data", data, unwrapPath(err))
	}
	return f, nil
}
