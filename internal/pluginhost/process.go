package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/hashicorp/go-plugin/runner"
)

// process is one run of a plugin's binary, in a process group of its own. It
// is what go-plugin calls a runner.
type process struct {
	launcher *launcher
	cmd      *exec.Cmd
	log      *logReader
	stdout   *os.File

	// exited is closed when the process has been waited for; waitErr is set
	// before.
	exited  chan struct{}
	waitErr error
	// readers is the log reader.
	readers sync.WaitGroup

	// mu keeps kill from signalling a group whose number is free again.
	mu sync.Mutex
	// killed forbids a start, gone a signal.
	killed, gone bool
}

var _ runner.Runner = (*process)(nil)

func newProcess(l *launcher, path string, env []string, log *logReader) *process {
	cmd := exec.Command(path)
	cmd.Env = env
	cmd.SysProcAttr = sysProcAttr()
	return &process{launcher: l, cmd: cmd, log: log, exited: make(chan struct{})}
}

// Start implements [runner.Runner].
func (p *process) Start(context.Context) error {
	stdout, stdoutWriter, err := os.Pipe()
	if err != nil {
		return err
	}
	stderr, stderrWriter, err := os.Pipe()
	if err != nil {
		return errors.Join(err, stdout.Close(), stdoutWriter.Close())
	}
	p.cmd.Stdout, p.cmd.Stderr = stdoutWriter, stderrWriter
	err = p.launch()
	// The child has its own copies; ours would keep the pipes open.
	_, _ = stdoutWriter.Close(), stderrWriter.Close()
	if err != nil {
		_, _ = stdout.Close(), stderr.Close()
		close(p.exited)
		return fmt.Errorf("start %s: %w", p.cmd.Path, err)
	}
	p.stdout = stdout
	p.readers.Go(func() {
		defer func() { _ = stderr.Close() }()
		p.log.read(stderr)
	})
	p.readers.Go(p.reap)
	return nil
}

func (p *process) launch() (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.killed {
		return errors.New("given up before the start")
	}
	p.launcher.do(func() { err = p.cmd.Start() })
	return err
}

// reap waits for the process and then takes down what it may have left in its
// group, so that nothing holds the pipes.
func (p *process) reap() {
	p.waitErr = p.cmd.Wait()
	p.mu.Lock()
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	p.gone = true
	p.mu.Unlock()
	close(p.exited)
}

// kill ends the whole group at once. A stopped process dies of it as well.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.killed = true
	if p.gone || p.cmd.Process == nil {
		return
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
}

// close lets go of the pipe that go-plugin reads.
func (p *process) close() {
	if p.stdout != nil {
		_ = p.stdout.Close()
	}
}

// Wait implements [runner.AttachedRunner].
func (p *process) Wait(context.Context) error {
	<-p.exited
	return p.waitErr
}

// Kill implements [runner.AttachedRunner].
func (p *process) Kill(context.Context) error {
	p.kill()
	return nil
}

// Stdout implements [runner.Runner]: the handshake is read from it.
func (p *process) Stdout() io.ReadCloser { return p.stdout }

// Stderr implements [runner.Runner]. The log is read by this package, so
// go-plugin gets to see its end only.
func (p *process) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

// Name implements [runner.Runner].
func (p *process) Name() string { return p.cmd.Path }

// ID implements [runner.AttachedRunner].
func (p *process) ID() string {
	if p.cmd.Process == nil {
		return ""
	}
	return strconv.Itoa(p.cmd.Process.Pid)
}

// Diagnose implements [runner.Runner].
func (p *process) Diagnose(context.Context) string { return p.log.last() }

// PluginToHost implements [runner.AddrTranslator]: both ends share the machine.
func (p *process) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

// HostToPlugin implements [runner.AddrTranslator].
func (p *process) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}
