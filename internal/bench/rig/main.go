// Command rig plays one part of a measurement in a process of its own: a
// gateway with its filter host, an upstream, or a client. It writes what it has
// to say as JSON lines on standard output and stops when standard input ends.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "rig:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) < 2 {
		return fmt.Errorf("name a part: gateway, upstream, hold, load")
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	flags := flag.NewFlagSet(os.Args[1], flag.ContinueOnError)
	part, ok := map[string]func(context.Context, *flag.FlagSet, []string) error{
		"gateway": gateway, "upstream": upstream, "hold": hold, "load": load,
	}[os.Args[1]]
	if !ok {
		return fmt.Errorf("unknown part %q", os.Args[1])
	}
	return part(ctx, flags, os.Args[2:])
}

// say writes one JSON line.
func say(v any) error { return json.NewEncoder(os.Stdout).Encode(v) }
