package mailtest

import (
	"testing"

	"gatehouse.example/sdk/internal/process/processtest"
	"gatehouse.example/sdk/mail"
	"gatehouse.example/sdk/mail/mailrpc"
)

// Start starts the compiled plugin at path as Gatehouse does (mutual TLS, an
// empty environment) and ends it with the test. Its log goes to standard error.
func Start(t *testing.T, path string) mail.Transport {
	t.Helper()
	return processtest.Start(t, path, mailrpc.Handshake(), mailrpc.Plugins(), mailrpc.Name).(mail.Transport)
}
