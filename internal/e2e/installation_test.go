package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the program under test, built with the race detector; fast is the
// same without it, for what does a lot of work.
var (
	binary string
	fast   = sync.OnceValues(func() (string, error) {
		name := filepath.Join(filepath.Dir(binary), "gatehouse-fast")
		build := exec.Command("go", "build", "-o", name, ".")
		build.Dir, build.Stderr = repository, os.Stderr
		return name, build.Run()
	})
)

// repository is the repository's root.
var repository string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if where := os.Getenv(natsVariable); where != "" {
		return serveNATS(where)
	}
	var err error
	if repository, err = filepath.Abs("../.."); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for _, f := range []string{"plugins/filters/dist/jwt.wasm", "bin/plugins/SHA256SUMS"} {
		if _, err := os.Stat(filepath.Join(repository, f)); err != nil {
			fmt.Fprintf(os.Stderr, "e2e: %s is not built: run make plugins\n", f)
			return 1
		}
	}
	dir, err := os.MkdirTemp("", "gatehouse-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	// PostgreSQL's unprivileged user must be able to pass through.
	if err := os.Chmod(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	binary = filepath.Join(dir, "gatehouse")
	build := exec.Command("go", "build", "-race", "-o", binary, ".")
	build.Dir, build.Stderr = repository, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e: go build:", err)
		return 1
	}
	return m.Run()
}

// environment is this process's, without settings of Gatehouse, and with what
// points the binary at the repository's files.
func environment(extra ...string) []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "GATEHOUSE_") {
			env = append(env, kv)
		}
	}
	env = append(env, "GATEHOUSE_PLUGINS__DIRECTORY="+filepath.Join(repository, "bin", "plugins"))
	return append(env, extra...)
}

// process is one running gatehouse.
type process struct {
	cmd    *exec.Cmd
	output *syncBuffer
	done   chan struct{}
	err    error
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// launch starts the binary; it is stopped at the test's end.
func launch(t testing.TB, env []string, args ...string) *process {
	t.Helper()
	return launchBuild(t, binary, env, args...)
}

// launchBuild is launch for another build of the program.
func launchBuild(t testing.TB, program string, env []string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(program, args...), output: &syncBuffer{}, done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env = repository, env
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.stop(t)
		if strings.Contains(p.output.String(), "DATA RACE") {
			t.Errorf("data race in gatehouse:\n%s", p.output)
		}
		if t.Failed() {
			t.Logf("gatehouse %s printed:\n%s", strings.Join(args, " "), p.output)
		}
	})
	return p
}

// stop asks the process to end and waits.
func (p *process) stop(t testing.TB) {
	t.Helper()
	select {
	case <-p.done:
		return
	default:
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(30 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
		t.Errorf("gatehouse did not stop within 30 s of SIGTERM")
	}
}

// installation is one `gatehouse dev`.
type installation struct {
	*process
	data, issuer, https, admin string
	setupURL                   string
	clientID, clientSecret     string
}

// dataFolder makes a folder that PostgreSQL's user can pass through.
func dataFolder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gh-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "var")
}

// dev starts `gatehouse dev` on free ports and waits until it is ready.
func dev(t testing.TB, data string, extra ...string) *installation {
	t.Helper()
	args := append([]string{"dev", "--data", data, "--http", "127.0.0.1:0", "--https", "127.0.0.1:0"}, extra...)
	return ready(t, launch(t, environment(), args...), data)
}

// ready waits until the installation of p is ready.
func ready(t testing.TB, p *process, data string) *installation {
	t.Helper()
	in := &installation{process: p, data: data}
	started := time.Now()
	await(t, 90*time.Second, "gatehouse dev is ready", func() error {
		select {
		case <-p.done:
			t.Fatalf("gatehouse dev ended: %v\n%s", p.err, p.output)
		default:
		}
		return in.readFiles(p.cmd.Process.Pid)
	})
	await(t, 60*time.Second, "readyz", func() error {
		res, err := http.Get(in.issuer + "/readyz")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("readyz: %s", res.Status)
		}
		return nil
	})
	t.Logf("ready after %v", time.Since(started).Round(time.Millisecond))
	return in
}

// readFiles reads what dev leaves for scripts, if it is this process's.
func (in *installation) readFiles(pid int) error {
	var b struct {
		Issuer       string `json:"issuer"`
		SetupURL     string `json:"admin_setup_url"`
		ClientID     string `json:"client_id"`
		ClientSecret string `json:"client_secret"`
	}
	var a struct {
		PID                int `json:"pid"`
		HTTP, HTTPS, Admin string
	}
	for name, v := range map[string]any{"bootstrap.json": &b, "addresses.json": &a} {
		text, err := os.ReadFile(filepath.Join(in.data, name))
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, v); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if a.PID != pid {
		return errors.New("addresses.json is an earlier process's")
	}
	in.issuer, in.setupURL, in.clientID, in.clientSecret = b.Issuer, b.SetupURL, b.ClientID, b.ClientSecret
	in.https, in.admin = a.HTTPS, a.Admin
	return nil
}

// await calls check until it returns nil.
func await(t testing.TB, limit time.Duration, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v: %v", what, limit, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// newBrowser is an HTTP client that keeps cookies and does not follow
// redirects to other places than the installation.
func newBrowser(t testing.TB, issuer string) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{
		Jar: jar, Timeout: 30 * time.Second,
		CheckRedirect: func(req *http.Request, _ []*http.Request) error {
			if !strings.HasPrefix(req.URL.String(), issuer+"/") {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
}

// command runs the binary to its end and returns what it printed.
func command(t testing.TB, env []string, args ...string) (stdout, stderr string, exit int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir, cmd.Env = repository, env
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err := cmd.Run()
	var ee *exec.ExitError
	if err != nil && !errors.As(err, &ee) {
		t.Fatalf("gatehouse %v: %v", args, err)
	}
	return o.String(), e.String(), cmd.ProcessState.ExitCode()
}
