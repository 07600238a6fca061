package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse.example/gateway/wasm/inspect"
	"gatehouse.example/gateway/wasm/source"
	"gatehouse.example/internal/cli/stack"
	"gatehouse.example/plugins/filters"
)

func newFilterInspect() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "inspect FILE.wasm",
		Short: "Print what a filter's module is: ABI, imports, the grants it needs, size, digest",
		Long: "Looks at a file, or at a built-in filter by builtin:NAME, and starts it once without a configuration\n" +
			"to hear what it says of itself. Ends with the entry for gateway.yaml.",
		Example: "  gatehouse filter inspect filters/mine.wasm\n  gatehouse filter inspect builtin:jwt --output json",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef(cmd, "name one module: FILE.wasm or builtin:NAME")
			}
			return nil
		},
	}
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		report, err := inspectModule(cmd, args[0])
		if err != nil {
			return err
		}
		if *out == outputJSON {
			return printJSON(cmd.OutOrStdout(), report)
		}
		return printReport(cmd.OutOrStdout(), report)
	}
	return cmd
}

func inspectModule(cmd *cobra.Command, name string) (report *inspect.Report, err error) {
	ctx := cmd.Context()
	cfg, err := loadConfig(cmd, nil)
	if err != nil {
		return nil, err
	}
	module, binary, err := readModule(name)
	if err != nil {
		return nil, err
	}
	logger := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	host, err := stack.IdleFilterHost(ctx, cfg, cfg.ResolveFile(cfg.Gateway.File), logger)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, host.Close(context.WithoutCancel(ctx))) }()
	return inspect.Module(ctx, host, module, binary)
}

// readModule reads what the command line names, and returns it as the
// configuration would name it.
func readModule(name string) (module string, binary []byte, err error) {
	if builtin, ok := strings.CutPrefix(name, "builtin:"); ok {
		binary, err = filters.Module(builtin)
		return name, binary, err
	}
	path, err := filepath.Abs(strings.TrimPrefix(name, "file:"))
	if err != nil {
		return "", nil, err
	}
	binary, err = source.ReadFile(path, 0)
	return "file:" + path, binary, err
}

func printReport(w io.Writer, r *inspect.Report) error {
	line := func(head, text string) { fmt.Fprintf(w, "%-10s %s\n", head, printable(text)) }
	line("module", r.Module)
	if r.Name != "" {
		line("name", r.Name)
	}
	line("abi", strings.Join(r.ABIs, ", ")+" ("+r.Kind+")")
	line("size", fmt.Sprintf("%d bytes", r.SizeBytes))
	line("sha256", r.SHA256)
	line("memory", fmt.Sprintf("%d to %d KiB", r.MemoryMinBytes>>10, r.MemoryMaxBytes>>10))
	for _, t := range r.Tables {
		limit := "no limit"
		if t.Max != nil {
			limit = fmt.Sprint(*t.Max)
		}
		line("table", fmt.Sprintf("%s, %d to %s", t.Type, t.Min, limit))
	}
	line("after trap", map[bool]string{true: "restored", false: "replaced"}[r.Restorable])
	if r.Supported {
		line("phases", map[bool]string{true: "request, response", false: "request"}[r.ResponsePhase])
		line("grants", orDash(strings.Join(r.Grants, ", ")))
	}
	if len(r.MayUse) > 0 {
		line("may use", strings.Join(r.MayUse, ", "))
	}
	for _, n := range r.Notes {
		line("note", n)
	}
	if len(r.ConfigSchema) > 0 {
		fmt.Fprintln(w, "\nconfig schema")
		if err := printJSON(w, r.ConfigSchema); err != nil {
			return err
		}
	}
	for _, part := range []struct {
		head    string
		symbols []inspect.Symbol
	}{{"imports", r.Imports}, {"exports", r.Exports}} {
		fmt.Fprintf(w, "\n%s\n", part.head)
		for _, s := range part.symbols {
			name := s.Name
			if s.Module != "" {
				name = s.Module + "." + s.Name
			}
			fmt.Fprintln(w, printable(strings.TrimRight(fmt.Sprintf("  %s %s %s", s.Kind, name, s.Type), " ")))
		}
	}
	if text := r.Snippet(); text != "" {
		fmt.Fprintf(w, "\n%s", text)
	}
	return nil
}
