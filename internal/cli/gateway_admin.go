package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"gatehouse.example/internal/cli/stack"
	"gatehouse.example/internal/config"
)

// adminTimeout is enough for a reload that fetches modules.
const adminTimeout = 5 * time.Minute

// askGateway calls the admin API of the running gateway on its socket and reads
// the answer into out.
func askGateway(ctx context.Context, cfg *config.Config, method, path string, out any) (err error) {
	socket := cfg.ResolveData(cfg.Gateway.AdminSocket)
	at, release, err := stack.AdminSocket(cfg)
	if errors.Is(err, os.ErrNotExist) {
		return noGateway(socket, err)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release(context.WithoutCancel(ctx))) }()
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", at)
		},
		DisableKeepAlives: true,
	}
	client := http.Client{Transport: transport, Timeout: adminTimeout}
	request, err := http.NewRequestWithContext(ctx, method, "http://gateway"+path, http.NoBody)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return noGateway(socket, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("answer of the gateway: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return adminError(response.Status, body)
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("answer of the gateway: %w", err)
	}
	return nil
}

// noGateway says what may be wrong where nobody answers.
func noGateway(socket string, err error) error {
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no gateway runs at %s: start it, or name its data folder with --data (gateway.admin_socket)", socket)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%s: only the user that runs the gateway may ask it", socket)
	}
	return fmt.Errorf("ask the gateway at %s: %w", socket, err)
}

// adminError is what the gateway says is wrong: the lines of its detail, which
// name file, line and column.
func adminError(status string, body []byte) error {
	var p struct {
		Detail string `json:"detail"`
	}
	if json.Unmarshal(body, &p) == nil && p.Detail != "" {
		return errors.New(p.Detail)
	}
	return answerError(status, body)
}
