package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// How long to wait for go-plugin's own goroutines after the process is dead.
const cleanupTimeout = 5 * time.Second

// instance is one run of a plugin: a process, its connection, and the
// contract's client on it.
type instance struct {
	process   *process
	client    *plugin.Client
	conn      *grpc.ClientConn
	dispensed any
	workDir   string
}

// launch starts, connects and configures a process.
func (h *Host) launch(ctx context.Context, spec Spec) (_ *instance, err error) {
	kind, err := contractOf(spec.Kind)
	if err != nil {
		return nil, err
	}
	path, err := h.verify(spec)
	if err != nil {
		return nil, err
	}
	workDir, err := os.MkdirTemp(h.runtime.path, "")
	if err != nil {
		return nil, fmt.Errorf("make folder for the socket: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, h.options.StartTimeout)
	defer cancel()
	log := &logReader{logger: h.logger.With("plugin", spec.Name)}
	in := &instance{workDir: workDir, process: newProcess(h.launcher, path, environment(spec, workDir), log)}
	in.client = plugin.NewClient(h.clientConfig(kind, in, log))
	// Nothing in go-plugin knows the context; a dead process ends all waits.
	unwatch := context.AfterFunc(ctx, in.process.kill)
	defer unwatch()
	if err := in.connect(ctx, kind, spec); err != nil {
		in.stop(h.options.StopGrace, h.logger)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("not ready in time: %w", context.Cause(ctx))
		}
		if last := log.last(); last != "" {
			return nil, fmt.Errorf("%w (its last words: %s)", err, last)
		}
		return nil, err
	}
	return in, nil
}

func (h *Host) clientConfig(kind contract, in *instance, log *logReader) *plugin.ClientConfig {
	return &plugin.ClientConfig{
		HandshakeConfig:  kind.handshake,
		Plugins:          kind.plugins,
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:         true,
		SkipHostEnv:      true,
		StartTimeout:     h.options.StartTimeout,
		Logger:           &libraryLog{logger: log.logger},
		SyncStdout:       log,
		SyncStderr:       log,
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: in.workDir},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, _ string) (runner.Runner, error) {
			in.process.cmd.Env = append(in.process.cmd.Env, cmd.Env...)
			return in.process, nil
		},
	}
}

func (in *instance) connect(ctx context.Context, kind contract, spec Spec) error {
	protocol, err := in.client.Client()
	if err != nil {
		// go-plugin explains in several lines.
		return fmt.Errorf("start: %s", strings.Join(strings.Fields(err.Error()), " "))
	}
	client, ok := protocol.(*plugin.GRPCClient)
	if !ok {
		return errors.New("start: the plugin does not speak gRPC")
	}
	in.conn = client.Conn
	if in.dispensed, err = protocol.Dispense(kind.name); err != nil {
		return fmt.Errorf("dispense: %w", err)
	}
	return kind.configure(ctx, in.dispensed, spec.Config)
}

// healthy asks the plugin's health service; only the deadline bounds it.
func (in *instance) healthy(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answer, err := grpc_health_v1.NewHealthClient(in.conn).Check(ctx,
		&grpc_health_v1.HealthCheckRequest{Service: plugin.GRPCServiceName})
	if err != nil {
		return err
	}
	if answer.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		return fmt.Errorf("status %s", answer.GetStatus())
	}
	return nil
}

// stop ends the process, by force after the grace period, and clears up. It
// returns in bounded time whatever the process does.
func (in *instance) stop(grace time.Duration, logger *slog.Logger) {
	cleared := make(chan struct{})
	go func() {
		defer close(cleared)
		in.client.Kill()
		in.process.readers.Wait()
	}()
	select {
	case <-in.process.exited:
	case <-cleared:
	case <-time.After(grace):
	}
	in.process.kill()
	select {
	case <-cleared:
	case <-time.After(cleanupTimeout):
		logger.Warn("a process outlived its plugin and holds its output", "path", in.process.cmd.Path)
	}
	in.process.close()
	if err := os.RemoveAll(in.workDir); err != nil {
		logger.Warn("plugin's folder stays", "error", err)
	}
}

// environment is all that a plugin gets to see of the host's: nothing secret,
// only what finds programs, time zone and certificate authorities.
func environment(spec Spec, workDir string) []string {
	env := []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "TMPDIR=" + workDir}
	for _, name := range []string{"TZ", "SSL_CERT_FILE", "SSL_CERT_DIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return append(env, spec.Env...)
}
