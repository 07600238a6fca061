package pluginhost_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse.example/internal/pluginhost"
	"gatehouse.example/sdk/mail"
	"gatehouse.example/sdk/mail/mailtest"
)

// hostEnv makes the test binary a host that waits to be killed.
const hostEnv = "PLUGINHOST_TEST_HOST"

// binaries is the folder with the plugin and SHA256SUMS, made once.
var binaries = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "ph-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "mail-file")
	if out, err := exec.Command("go", "build", "-o", path, "gatehouse.example/plugins/mail/file").CombinedOutput(); err != nil {
		return dir, fmt.Errorf("build plugin: %w: %s", err, out)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return dir, err
	}
	sums := fmt.Sprintf("%x  other\n%x  mail-file\n", sha256.Sum256(nil), sha256.Sum256(data))
	return dir, os.WriteFile(filepath.Join(dir, pluginhost.ChecksumFile), []byte(sums), 0o600)
})

func TestMain(m *testing.M) {
	if dir := os.Getenv(hostEnv); dir != "" {
		os.Exit(runHost(dir))
	}
	code := m.Run()
	if dir, _ := binaries(); dir != "" {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// runHost starts a plugin, prints its process number, and waits.
func runHost(dir string) int {
	host, err := pluginhost.New(pluginhost.Options{Directory: dir, RuntimeDirectory: dir})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	config, _ := json.Marshal(map[string]string{"directory": filepath.Join(dir, "orphan")})
	p, err := host.Start(context.Background(), pluginhost.Spec{Name: "mail-file", Kind: pluginhost.KindMail, Config: config})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(p.PID())
	select {}
}

type fixture struct {
	host     *pluginhost.Host
	registry *prometheus.Registry
	log      *lockedBuffer
	mails    string
	spec     pluginhost.Spec
}

func newFixture(t *testing.T, change func(*pluginhost.Options)) *fixture {
	t.Helper()
	dir, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{registry: prometheus.NewRegistry(), log: &lockedBuffer{}, mails: filepath.Join(t.TempDir(), "mails")}
	o := pluginhost.Options{
		Directory:     dir,
		Logger:        slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Registry:      f.registry,
		HealthTimeout: 300 * time.Millisecond,
	}
	if change != nil {
		change(&o)
	}
	if f.host, err = pluginhost.New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := f.host.Stop(ctx); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(f.log.String())
		}
	})
	config, err := json.Marshal(map[string]string{"directory": f.mails})
	if err != nil {
		t.Fatal(err)
	}
	f.spec = pluginhost.Spec{Name: "mail-file", Kind: pluginhost.KindMail, Config: config}
	return f
}

func (f *fixture) start(t *testing.T) (*pluginhost.Plugin, *pluginhost.MailTransport) {
	t.Helper()
	p, err := f.host.Start(t.Context(), f.spec)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := p.MailTransport()
	if err != nil {
		t.Fatal(err)
	}
	return p, transport
}

// metric is the value of the only series of a counter or gauge.
func (f *fixture) metric(name string) float64 {
	families, _ := f.registry.Gather()
	for _, family := range families {
		if family.GetName() == name {
			series := family.GetMetric()[0]
			return series.GetCounter().GetValue() + series.GetGauge().GetValue()
		}
	}
	return 0
}

func TestDelivers(t *testing.T) {
	f := newFixture(t, nil)
	p, transport := f.start(t)
	m := mailtest.Message("hello", "person@example.com")
	if _, err := transport.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(f.mails, "hello.eml"))
	if err != nil || !bytes.Equal(got, m.Raw) {
		t.Fatalf("got %q, %v", got, err)
	}
	if err := p.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.IdempotencyKey = "../escape"
	if _, err := transport.Send(t.Context(), m); !mail.IsPermanent(err) {
		t.Fatalf("a permanent failure arrived as %v", err)
	}
}

func TestRestartsKilledPlugin(t *testing.T) {
	f := newFixture(t, nil)
	p, transport := f.start(t)
	for i := range 3 {
		pid := p.PID()
		signal(t, pid, syscall.SIGKILL)
		key := fmt.Sprintf("after-kill-%d", i)
		sendUntil(t, transport, key)
		if now := p.PID(); now == pid {
			t.Fatalf("process %d still serves", pid)
		}
		if _, err := os.Stat(filepath.Join(f.mails, key+".eml")); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.metric("gatehouse_plugin_restarts_total"); got != 3 {
		t.Fatalf("gatehouse_plugin_restarts_total = %v, want 3", got)
	}
	if got := f.metric("gatehouse_plugin_up"); got != 1 {
		t.Fatalf("gatehouse_plugin_up = %v, want 1", got)
	}
}

func TestKillsStoppedPlugin(t *testing.T) {
	f := newFixture(t, func(o *pluginhost.Options) {
		o.CallTimeout = 500 * time.Millisecond
		// The call's deadline must be what brings the look at its health.
		o.HealthInterval = time.Hour
	})
	p, transport := f.start(t)
	pid := p.PID()
	signal(t, pid, syscall.SIGSTOP)
	started := time.Now()
	if _, err := transport.Send(t.Context(), mailtest.Message("stopped", "person@example.com")); err == nil || mail.IsPermanent(err) {
		t.Fatalf("Send to a stopped plugin: %v", err)
	}
	if took := time.Since(started); took > 10*time.Second {
		t.Fatalf("the call took %v", took)
	}
	sendUntil(t, transport, "after-stop")
	if alive(pid) {
		t.Fatalf("stopped process %d is still there", pid)
	}
}

func TestHealthFindsStoppedPlugin(t *testing.T) {
	f := newFixture(t, func(o *pluginhost.Options) { o.HealthInterval = 100 * time.Millisecond })
	p, _ := f.start(t)
	pid := p.PID()
	signal(t, pid, syscall.SIGSTOP)
	eventually(t, func() bool { now := p.PID(); return now != 0 && now != pid })
}

func TestStopEndsStoppedPlugin(t *testing.T) {
	f := newFixture(t, func(o *pluginhost.Options) { o.StopGrace = 200 * time.Millisecond })
	p, transport := f.start(t)
	pid := p.PID()
	signal(t, pid, syscall.SIGSTOP)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if err := f.host.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if alive(pid) {
		t.Fatalf("process %d outlived the host", pid)
	}
	if _, err := transport.Send(t.Context(), mailtest.Message("late", "person@example.com")); err == nil {
		t.Fatal("Send after Stop succeeded")
	}
	if _, err := f.host.Start(t.Context(), f.spec); err == nil {
		t.Fatal("Start after Stop succeeded")
	}
}

func TestRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(*pluginhost.Spec)
		want   []string
	}{
		{"wrong checksum", func(s *pluginhost.Spec) { s.SHA256 = strings.Repeat("ab", 32) }, []string{"checksum", "the configuration", "make plugins"}},
		{"checksum that is none", func(s *pluginhost.Spec) { s.SHA256 = "abc" }, []string{"not a SHA-256"}},
		{"missing binary", func(s *pluginhost.Spec) { s.Path = "mail-none" }, []string{"mail-none", "does not exist", "make plugins"}},
		{"binary without checksum", func(s *pluginhost.Spec) { s.Path = pluginhost.ChecksumFile }, []string{"no checksum of SHA256SUMS", "make plugins"}},
		{"refused configuration", func(s *pluginhost.Spec) { s.Config = json.RawMessage(`{"directory":"/x","colour":1}`) }, []string{"configuration refused", "colour"}},
		{"unknown kind", func(s *pluginhost.Spec) { s.Kind = "fax" }, []string{"fax"}},
		{"not a plugin", func(s *pluginhost.Spec) {
			s.Path = "/bin/true"
			data, _ := os.ReadFile(s.Path)
			s.SHA256 = fmt.Sprintf("%x", sha256.Sum256(data))
		}, []string{"start"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t, nil)
			test.change(&f.spec)
			_, err := f.host.Start(t.Context(), f.spec)
			if err == nil {
				t.Fatal("the plugin started")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
		})
	}
}

func TestReplacedBinaryDoesNotStartAgain(t *testing.T) {
	source, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"mail-file", pluginhost.ChecksumFile} {
		data, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	f := newFixture(t, func(o *pluginhost.Options) { o.Directory = dir })
	p, _ := f.start(t)
	if err := os.Remove(filepath.Join(dir, "mail-file")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "mail-file"), []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	signal(t, p.PID(), syscall.SIGKILL)
	eventually(t, func() bool {
		err := p.Ready(t.Context())
		return err != nil && strings.Contains(err.Error(), "checksum")
	})
}

func TestEnvironmentIsNotInherited(t *testing.T) {
	t.Setenv("GATEHOUSE_DATABASE__URL", "postgres://secret")
	f := newFixture(t, nil)
	f.spec.Env = []string{"EXTRA=1"}
	p, _ := f.start(t)
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", p.PID()))
	if err != nil {
		t.Skip("no /proc:", err)
	}
	if bytes.Contains(environ, []byte("GATEHOUSE_DATABASE")) || !bytes.Contains(environ, []byte("EXTRA=1")) {
		t.Fatalf("environment of the plugin: %q", environ)
	}
}

// A plugin must not outlive a host that is killed. It is the kernel that ends
// it, at once; the plugin's own look at its parent takes up to a second.
func TestNoOrphan(t *testing.T) {
	dir, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("parent-death signals are Linux's")
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), hostEnv+"="+dir)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 32)
	n, err := stdout.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(line[:n])))
	if err != nil {
		t.Fatal(err)
	}
	// Long enough for the runtime to end idle threads, were the launcher one.
	time.Sleep(300 * time.Millisecond)
	if !alive(pid) {
		t.Fatal("the plugin does not run")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	time.Sleep(200 * time.Millisecond)
	if alive(pid) {
		t.Fatalf("process %d is an orphan", pid)
	}
	checkSweep(t, dir)
}

// checkSweep looks whether the next host removes what the killed one left, and
// leaves alone what belongs to a living one.
func checkSweep(t *testing.T, dir string) {
	t.Helper()
	pattern := filepath.Join(dir, "gatehouse-plugins-*")
	left, err := filepath.Glob(pattern)
	if err != nil || len(left) != 1 {
		t.Fatalf("left by the killed host: %v, %v", left, err)
	}
	var hosts []*pluginhost.Host
	for range 2 {
		old := time.Now().Add(-time.Hour)
		all, _ := filepath.Glob(pattern)
		for _, path := range all {
			if err := os.Chtimes(path, old, old); err != nil {
				t.Fatal(err)
			}
		}
		host, err := pluginhost.New(pluginhost.Options{RuntimeDirectory: dir})
		if err != nil {
			t.Fatal(err)
		}
		hosts = append(hosts, host)
	}
	now, _ := filepath.Glob(pattern)
	if len(now) != 2 || now[0] == left[0] || now[1] == left[0] {
		t.Errorf("folders %v, want those of two living hosts without %v", now, left)
	}
	for _, host := range hosts {
		if err := host.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if now, _ = filepath.Glob(pattern); len(now) != 0 {
		t.Errorf("left after Stop: %v", now)
	}
}

// sendUntil sends as the service does: a temporary failure is tried again.
func sendUntil(t *testing.T, transport *pluginhost.MailTransport, key string) {
	t.Helper()
	eventually(t, func() bool {
		_, err := transport.Send(t.Context(), mailtest.Message(key, "person@example.com"))
		return err == nil
	})
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatal("did not happen within 10 s")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// signal refuses the numbers that would mean a whole group.
func signal(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if pid <= 1 {
		t.Fatalf("process number %d", pid)
	}
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatal(err)
	}
}

// alive reports whether the process runs; a zombie does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return syscall.Kill(pid, 0) == nil && !os.IsNotExist(err)
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
