package social

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"

	socialv1 "gatehouse.example/pluginspec/social/v1"
)

// How often a plugin looks whether its host still lives, for systems whose
// kernel does not end it with the host.
const orphanInterval = time.Second

// Serve runs the program as a social sign-in plugin and returns when the host
// is done with it. It is all that main has to do. Started by hand, it says that
// the program is a plugin and exits with status 1.
//
// It makes a logger that the host understands the default of log/slog.
func Serve(p Provider) {
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go exitWithHost(ctx, os.Getppid())
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			ProtocolVersion:  socialv1.ProtocolVersion,
			MagicCookieKey:   socialv1.MagicCookieKey,
			MagicCookieValue: socialv1.MagicCookieValue,
		},
		Plugins:    plugin.PluginSet{socialv1.PluginName: &grpcPlugin{provider: p}},
		GRPCServer: plugin.DefaultGRPCServer,
		Logger:     hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: os.Stderr, JSONFormat: true}),
	})
}

// exitWithHost ends the process when its parent has become another one.
func exitWithHost(ctx context.Context, host int) {
	ticker := time.NewTicker(orphanInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if os.Getppid() != host {
				os.Exit(1)
			}
		}
	}
}
