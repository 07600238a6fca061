package localpg

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestMain makes the test binary a Gatehouse that only runs a server, for
// tests that kill it.
func TestMain(m *testing.M) {
	if dir := os.Getenv("LOCALPG_TEST_CHILD"); dir != "" {
		runChild(dir)
		return
	}
	os.Exit(m.Run())
}

func runChild(dir string) {
	s, err := Start(context.Background(), Options{Dir: dir, Fsync: true, Logger: quiet()})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	conn, err := pgx.Connect(context.Background(), s.AdminURL())
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	if _, err := conn.Exec(context.Background(), "CREATE TABLE IF NOT EXISTS kept AS SELECT 'text' AS v"); err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	// Threads come and go; the server must not mind.
	for range 20 {
		done := make(chan struct{})
		go func() {
			runtime.LockOSThread() // and never unlocked: ends the thread
			close(done)
		}()
		<-done
	}
	fmt.Println("ready", s.PID(), s.socket)
	time.Sleep(time.Minute)
	_ = conn.Close(context.Background())
}

// child starts the test binary as a Gatehouse on dir and returns it with the
// process id and socket folder of its server.
func child(t *testing.T, dir string, attr *syscall.SysProcAttr) (cmd *exec.Cmd, pid int, socket string) {
	t.Helper()
	cmd = exec.Command(os.Args[0])
	if attr != nil {
		cmd = exec.Command(copyOfTest(t))
	}
	cmd.Env = append(os.Environ(), "LOCALPG_TEST_CHILD="+dir)
	cmd.Dir = "/"
	cmd.SysProcAttr = attr
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscanf(line, "ready %d %s", &pid, &socket); err != nil {
		t.Fatalf("child: %s", line)
	}
	return cmd, pid, socket
}

// copyOfTest puts the test binary where other users can run it.
func copyOfTest(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dataDir(t), "localpg.test")
	if err := os.WriteFile(file, text, 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestKilledGatehouse(t *testing.T) {
	dir := dataDir(t)
	cmd, pid, socket := child(t, dir, nil)
	time.Sleep(100 * time.Millisecond)
	if !isAlive(pid) {
		t.Fatal("the server died with a thread")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if runtime.GOOS == "linux" {
		eventually(t, "end of the server after its Gatehouse was killed", func() bool { return !isAlive(pid) })
	}
	s := start(t, Options{Dir: dir})
	if got := query(t, s.AdminURL(), "SELECT v FROM kept"); got != "text" {
		t.Errorf("kept %q", got)
	}
	if _, err := os.Stat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket folder of the killed run is left: %v", err)
	}
}

// A restart right after the kill meets a server that still shuts down.
func TestRestartRightAfterKill(t *testing.T) {
	dir := dataDir(t)
	cmd, _, _ := child(t, dir, nil)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	s := start(t, Options{Dir: dir})
	if got := query(t, s.AdminURL(), "SELECT v FROM kept"); got != "text" {
		t.Errorf("kept %q", got)
	}
}

// Where the kernel does not stop the server with its parent, it lives on.
func TestOrphanIsStopped(t *testing.T) {
	dir := dataDir(t)
	s := start(t, Options{Dir: dir})
	exec1(t, s.AdminURL(), "CREATE TABLE kept AS SELECT 'text' AS v")
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	orphan := s.command("postgres", "-D", s.cluster.path, "-c", "listen_addresses=", "-c", "unix_socket_directories="+s.cluster.path)
	if err := orphan.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = orphan.Wait() }()
	eventually(t, "orphan", func() bool {
		text, err := os.ReadFile(filepath.Join(s.cluster.path, "postmaster.pid"))
		return err == nil && strings.Contains(string(text), "ready")
	})
	s = start(t, Options{Dir: dir})
	<-ended
	if got := query(t, s.AdminURL(), "SELECT v FROM kept"); got != "text" {
		t.Errorf("kept %q", got)
	}
}

// A stale postmaster.pid may name a process that is something else by now.
func TestStalePIDFile(t *testing.T) {
	dir := dataDir(t)
	s := start(t, Options{Dir: dir})
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := s.command("../../../../bin/sleep", "60")
	other.Path = "/bin/sleep"
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	file := filepath.Join(s.cluster.path, "postmaster.pid")
	text := strconv.Itoa(other.Process.Pid) + "\n" + s.cluster.path + "\n1\n5432\n/tmp\n\n 1 1\nready\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, Options{Dir: dir})
	if !isAlive(other.Process.Pid) {
		t.Error("start killed a process that is no PostgreSQL")
	}
}

func TestOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the other tests run as an ordinary user already")
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	a, err := accountOf(u)
	if err != nil {
		t.Fatal(err)
	}
	dir := dataDir(t)
	if err := os.Chown(dir, a.uid, a.gid); err != nil {
		t.Fatal(err)
	}
	cmd, pid, _ := child(t, dir, a.attributes())
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if runtime.GOOS == "linux" {
		eventually(t, "end of the server", func() bool { return !isAlive(pid) })
	}
	// Root goes on with the cluster of that user, and leaves it to it.
	s := start(t, Options{Dir: dir})
	if got := query(t, s.AdminURL(), "SELECT v FROM kept"); got != "text" {
		t.Errorf("kept %q", got)
	}
	if s.cluster.account.uid != a.uid {
		t.Errorf("the server runs as %s", s.cluster.account)
	}
}

func TestClusterOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs two users")
	}
	dir := dataDir(t)
	s := start(t, Options{Dir: dir}) // as postgres
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	a, err := accountOf(u)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(copyOfTest(t))
	cmd.Env = append(os.Environ(), "LOCALPG_TEST_CHILD="+dir)
	cmd.Dir = "/"
	cmd.SysProcAttr = a.attributes()
	out, _ := cmd.Output()
	t.Logf("%s", out)
	if !strings.Contains(string(out), "data folder "+dir+" is not accessible") && !strings.Contains(string(out), "belongs to user") {
		t.Errorf("a start as another user says %q", out)
	}
}
