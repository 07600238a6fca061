package socialtest

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"

	"gatehouse.example/sdk/social"
	"gatehouse.example/sdk/social/socialrpc"
)

// Start starts the compiled plugin at path as Gatehouse does (mutual TLS, an
// empty environment) and ends it with the test. Its log goes to standard error.
func Start(t *testing.T, path string) social.Provider {
	t.Helper()
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  socialrpc.Handshake(),
		Plugins:          socialrpc.Plugins(),
		Cmd:              exec.Command(path),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:         true,
		SkipHostEnv:      true,
		StartTimeout:     10 * time.Second,
		Logger:           hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: os.Stderr}),
	})
	t.Cleanup(client.Kill)
	conn, err := client.Client()
	if err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	dispensed, err := conn.Dispense(socialrpc.Name)
	if err != nil {
		t.Fatalf("dispense %s: %v", path, err)
	}
	return dispensed.(social.Provider)
}
