package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// The exit codes of every command.
const (
	ExitDone   = 0 // done
	ExitFailed = 1 // the work failed
	ExitUsage  = 2 // the command line is wrong
)

// Run executes the command line args (without the program's name) and returns
// the exit code. Results go to stdout, errors in one line each to stderr.
func Run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), stopSignals()...)
	defer stop()
	go func() {
		// A second signal ends the process at once.
		<-ctx.Done()
		stop()
	}()
	root := newRoot(stdout, stderr)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return ExitDone
	}
	for line := range strings.SplitSeq(strings.TrimRight(err.Error(), "\n"), "\n") {
		fmt.Fprintln(stderr, "gatehouse:", line)
	}
	var wrong *usageError
	if errors.As(err, &wrong) {
		fmt.Fprintf(stderr, "gatehouse: see %s --help\n", wrong.command)
		return ExitUsage
	}
	return ExitFailed
}

// stopSignals are those that stop a command in good order. A terminal that is
// closed is one, unless somebody asked that it be none (nohup).
func stopSignals() []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

// outliveReaders lets a server go on when nobody reads its output any more
// (`gatehouse dev | head`): writes fail then, and do not end the process.
// Processes that it starts are not concerned, as by signal.Ignore.
func outliveReaders() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// errInterrupted is the end of a server that was asked to stop while it started.
var errInterrupted = errors.New("interrupted before it was ready")

// startError is why a server did not start: whatever failed because it was
// asked to stop is no reason of its own.
func startError(ctx context.Context, err error) error {
	if ctx.Err() != nil && err != nil {
		return errInterrupted
	}
	return err
}

// usageError is a wrong command line.
type usageError struct {
	command string
	err     error
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{cmd.CommandPath(), fmt.Errorf(format, args...)}
}

func newRoot(stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:           "gatehouse",
		Short:         "User management and OAuth for a company's own applications",
		Example:       "  gatehouse dev\n  gatehouse client create --name shop --redirect-uri http://localhost:3000/callback",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usagef(cmd, "%w", err) })
	root.PersistentFlags().String("config", "", "configuration file (default: configs/gatehouse.yaml here or beside the executable's folder)")
	root.AddCommand(
		newDev(),
		newGateway(),
		newServe("auth", "Run the auth service alone"),
		newServe("email", "Run the email service alone"),
		newServe("graph", "Run the GraphQL service alone"),
		newMigrate(),
		newCert(),
		newConfig(),
		newAdmin(),
		newAPIKey(),
		newAudit(),
		newClient(),
		newEvents(),
		newFilter(),
		newUser(),
		newVersion(),
	)
	return root
}

// group returns a command that only holds others.
func group(use, short, example string, children ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Example: example,
		Args: noCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(children...)
	return cmd
}

// noCommand refuses a word that no subcommand has.
func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := ""
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = fmt.Sprintf("; did you mean %q?", near[0])
	}
	return usagef(cmd, "unknown command %q%s", args[0], hint)
}

// noArguments refuses arguments beyond flags.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef(cmd, "unexpected argument %q", args[0])
	}
	return nil
}
