// Package processtest owns what the conformance kits of plugins that are
// processes have in common: starting one, and what holds for the configuration
// of each.
//
// What a kind of plugin has to do is left to mailtest and socialtest.
package processtest

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
)

// Start starts the compiled plugin at path as Gatehouse does (mutual TLS, an
// empty environment), ends it with the test, and returns the client of the
// named plugin of the set. The plugin's log goes to standard error.
func Start(t *testing.T, path string, handshake plugin.HandshakeConfig, set plugin.PluginSet, name string) any {
	t.Helper()
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  handshake,
		Plugins:          set,
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
	dispensed, err := conn.Dispense(name)
	if err != nil {
		t.Fatalf("dispense %s: %v", path, err)
	}
	return dispensed
}

// RefusesUnknownConfig checks that configure refuses a member that it does not
// know, and names it.
func RefusesUnknownConfig(t *testing.T, config json.RawMessage, configure func(context.Context, json.RawMessage) error) {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal(config, &members); err != nil {
		t.Fatalf("Options.Config: %v", err)
	}
	members["no_such_member"] = true
	wrong, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	err = configure(t.Context(), wrong)
	if err == nil || !strings.Contains(err.Error(), "no_such_member") {
		t.Fatalf("Configure accepted an unknown member or did not name it: %v", err)
	}
}
