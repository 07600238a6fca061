package socialtest

import (
	"testing"

	"gatehouse.example/sdk/internal/process/processtest"
	"gatehouse.example/sdk/social"
	"gatehouse.example/sdk/social/socialrpc"
)

// Start starts the compiled plugin at path as Gatehouse does (mutual TLS, an
// empty environment) and ends it with the test. Its log goes to standard error.
func Start(t *testing.T, path string) social.Provider {
	t.Helper()
	return processtest.Start(t, path, socialrpc.Handshake(), socialrpc.Plugins(), socialrpc.Name).(social.Provider)
}
