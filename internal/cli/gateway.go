package cli

import (
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse.example/gateway/admin"
	gatewayconfig "gatehouse.example/gateway/config"
	"gatehouse.example/internal/cli/stack"
	"gatehouse.example/internal/config"
)

// newGateway returns the command that runs the gateway, with those that look at
// its configuration.
func newGateway() *cobra.Command {
	cmd := newServe(stack.PartGateway, "Run the gateway alone")
	cmd.Args = noCommand
	cmd.AddCommand(newGatewayCheck(), newGatewayRoutes(), newGatewayReload())
	return cmd
}

// fileArgument takes at most one argument, the gateway's file.
func fileArgument(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usagef(cmd, "unexpected argument %q: want one file", args[1])
	}
	return nil
}

// gatewayFile is the file that the arguments name, or the configured one.
func gatewayFile(cfg *config.Config, args []string) string {
	if len(args) > 0 {
		return args[0]
	}
	return cfg.ResolveFile(cfg.Gateway.File)
}

// checked is the result of `gatehouse gateway check`.
type checked struct {
	OK   bool   `json:"ok"`
	File string `json:"file"`
	*numbers
	Errors []mistake `json:"errors,omitempty"`
}

// numbers are nil where the file could not be read.
type numbers struct {
	Routes    int `json:"routes"`
	Filters   int `json:"filters"`
	Upstreams int `json:"upstreams"`
}

// mistake is one error of a configuration file. Line and Column are 0 where
// they are not known.
type mistake struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Message string `json:"message"`
}

func newGatewayCheck() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Check the gateway's configuration as a reload would, without a running gateway",
		Long: "Reads FILE (the configured gateway.yaml where none is named), loads, compiles and starts every filter\n" +
			"with its configuration, and prints what is wrong with file, line and column. Nothing goes over the\n" +
			"network but the fetching of https modules of which there is no copy yet.",
		Example: "  gatehouse gateway check\n  gatehouse gateway check configs/gateway.yaml --output json",
		Args:    fileArgument,
	}
	cmd.Flags().String("data", "", "data folder")
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := loadConfig(cmd, settings{"data": "data"})
		if err != nil {
			return err
		}
		file := gatewayFile(cfg, args)
		logger := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
		g, err := stack.CheckGateway(cmd.Context(), cfg, file, logger)
		result := checked{OK: err == nil, File: file, Errors: mistakes(file, err)}
		if g != nil {
			result.numbers = &numbers{Routes: len(g.Routes), Filters: len(g.Filters), Upstreams: len(g.Upstreams)}
		}
		if *out == outputJSON {
			if printing := printJSON(cmd.OutOrStdout(), result); printing != nil {
				return printing
			}
		}
		if err != nil {
			return err
		}
		if *out == outputText {
			fmt.Fprintf(cmd.OutOrStdout(), "ok: %s, %s, %s\n",
				counted(result.Routes, "route"), counted(result.Filters, "filter"), counted(result.Upstreams, "upstream"))
		}
		return nil
	}
	return cmd
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// mistakes takes the lines of an error apart: "FILE:LINE:COLUMN: MESSAGE".
func mistakes(file string, err error) []mistake {
	if err == nil {
		return nil
	}
	var all []mistake
	for line := range strings.SplitSeq(err.Error(), "\n") {
		m := mistake{File: file, Message: line}
		if rest, ok := strings.CutPrefix(line, file+":"); ok {
			m.Message = strings.TrimSpace(rest)
			part := strings.SplitN(rest, ":", 3)
			if len(part) == 3 {
				l, errLine := strconv.Atoi(part[0])
				c, errColumn := strconv.Atoi(part[1])
				if errLine == nil && errColumn == nil {
					m.Line, m.Column, m.Message = l, c, strings.TrimSpace(part[2])
				}
			}
		}
		all = append(all, m)
	}
	return all
}

func newGatewayRoutes() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "routes [FILE]",
		Short:   "List the gateway's routes, of its file or of the running gateway",
		Example: "  gatehouse gateway routes\n  gatehouse gateway routes --running --data var --output json",
		Args:    fileArgument,
	}
	cmd.Flags().String("data", "", "data folder, with the running gateway's admin socket")
	running := cmd.Flags().Bool("running", false, "ask the running gateway instead of reading the file")
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *running && len(args) > 0 {
			return usagef(cmd, "--running asks the gateway, which has a file of its own: leave out %q", args[0])
		}
		cfg, err := loadConfig(cmd, settings{"data": "data"})
		if err != nil {
			return err
		}
		var answer struct {
			Items      []admin.Route `json:"items"`
			NextCursor *string       `json:"next_cursor"`
		}
		if *running {
			err = askGateway(cmd.Context(), cfg, http.MethodGet, "/routes", &answer)
		} else {
			var g *gatewayconfig.Gateway
			if g, err = gatewayconfig.Load(gatewayFile(cfg, args)); err == nil {
				answer.Items = admin.Routes(g)
			}
		}
		if err != nil {
			return err
		}
		if *out == outputJSON {
			return printJSON(cmd.OutOrStdout(), answer)
		}
		return printTable(cmd.OutOrStdout(), []string{"NAME", "HOST", "PATH", "METHODS", "FILTERS", "REQUIRE", "UPSTREAM"}, routeRows(answer.Items))
	}
	return cmd
}

func routeRows(routes []admin.Route) [][]string {
	rows := make([][]string, len(routes))
	for i, r := range routes {
		to := r.Upstream
		if r.Respond != 0 {
			to = "(" + strconv.Itoa(r.Respond) + ")"
		}
		rows[i] = []string{
			r.Name, orAny(r.Host), r.Path, orAny(strings.Join(r.Methods, ",")), orDash(strings.Join(r.Filters, ",")), orDash(r.Require), to,
		}
	}
	return rows
}

func orAny(s string) string {
	if s == "" {
		return "*"
	}
	return s
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func newGatewayReload() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Make the running gateway load its configuration now",
		Long: "Asks the gateway on its admin socket. Where it refuses its file, it goes on with the configuration\n" +
			"that it has, and this command prints what is wrong and ends with 1.",
		Example: "  gatehouse gateway reload --data var",
		Args:    noArguments,
	}
	cmd.Flags().String("data", "", "data folder, with the running gateway's admin socket")
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := loadConfig(cmd, settings{"data": "data"})
		if err != nil {
			return err
		}
		var answer struct {
			Status string `json:"status"`
		}
		if err := askGateway(cmd.Context(), cfg, http.MethodPost, "/reload", &answer); err != nil {
			return err
		}
		if *out == outputJSON {
			return printJSON(cmd.OutOrStdout(), answer)
		}
		fmt.Fprintln(cmd.OutOrStdout(), answer.Status)
		return nil
	}
	return cmd
}
