// Package process owns what every kind of Gatehouse plugin that is a process of
// its own has in common: the go-plugin handshake, the plugin's end of it, and
// how its configuration is read.
//
// What a kind of plugin can do, and the wire to it, is left to the packages mail
// and social; how a host starts one, to Gatehouse and, in tests, to processtest.
package process

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

// How often a plugin looks whether its host still lives, for systems whose
// kernel does not end it with the host.
const orphanInterval = time.Second

// PluginEnd is the plugin's end of the wire: it registers the server that
// answers the host.
type PluginEnd struct {
	plugin.NetRPCUnsupportedPlugin
	Register func(*grpc.Server)
}

var _ plugin.GRPCPlugin = PluginEnd{}

// GRPCServer implements [plugin.GRPCPlugin].
func (e PluginEnd) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	e.Register(s)
	return nil
}

// GRPCClient implements [plugin.GRPCPlugin].
func (PluginEnd) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("this is the plugin's end")
}

// HostEnd is the host's end of the wire: it makes the client that calls the
// plugin.
type HostEnd struct {
	plugin.NetRPCUnsupportedPlugin
	NewClient func(grpc.ClientConnInterface) any
}

var _ plugin.GRPCPlugin = HostEnd{}

// GRPCServer implements [plugin.GRPCPlugin].
func (HostEnd) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error {
	return errors.New("this is the host's end")
}

// GRPCClient implements [plugin.GRPCPlugin].
func (e HostEnd) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return e.NewClient(conn), nil
}

// Serve answers the host until it is done with the plugin, and makes a logger
// that the host understands the default of log/slog. A program that no host
// started says that it is a plugin and exits with status 1.
func Serve(handshake plugin.HandshakeConfig, name string, end PluginEnd) {
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go exitWithHost(ctx, os.Getppid())
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: handshake,
		Plugins:         plugin.PluginSet{name: end},
		GRPCServer:      plugin.DefaultGRPCServer,
		Logger:          hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: os.Stderr, JSONFormat: true}),
	})
}

// exitWithHost ends the process when its parent has become another one: a
// plugin without a host only holds files and connections.
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

// DecodeConfig decodes a configuration into v; nothing at all is {}, and unknown
// members are an error.
func DecodeConfig(config json.RawMessage, v any) error {
	if len(bytes.TrimSpace(config)) == 0 {
		config = json.RawMessage("{}")
	}
	decoder := json.NewDecoder(bytes.NewReader(config))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		return fmt.Errorf("decode configuration: %w", err)
	}
	return nil
}
