package localpg

import (
	"context"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// dataDir is a folder that each user may reach; that of testing is private.
func dataDir(t *testing.T) string {
	t.Helper()
	parent := "/tmp"
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		parent = "/dev/shm" // many small files: memory is much faster than some disks
	}
	dir, err := os.MkdirTemp(parent, "localpg-test-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if target, err := os.Readlink(filepath.Join(dir, "postgres")); err == nil {
			_ = os.RemoveAll(target)
			_ = os.Remove(target + ".lock")
		}
		_ = os.RemoveAll(dir)
	})
	return dir
}

func start(t *testing.T, o Options) *Server {
	t.Helper()
	if o.Logger == nil {
		o.Logger = quiet()
	}
	begun := time.Now()
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("started in %s", time.Since(begun).Round(time.Millisecond))
	t.Cleanup(func() { _ = s.Stop(context.Background()) })
	return s
}

func query(t *testing.T, url, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var text string
	if err := conn.QueryRow(t.Context(), sql).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

func exec1(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s: not within 15 s", what)
}

func TestStartStopStart(t *testing.T) {
	dir := dataDir(t)
	s := start(t, Options{Dir: dir, Fsync: true})
	if got := query(t, s.AdminURL(), "SELECT current_user || ' ' || current_database()"); got != "gatehouse gatehouse" {
		t.Errorf("connected as %q", got)
	}
	if got := query(t, s.AdminURL(), "SHOW listen_addresses"); got != "" {
		t.Errorf("listens on %q, want no network address", got)
	}
	if got := query(t, s.AdminURL(), "SELECT lower('ÄÉ')"); got != "äé" {
		t.Errorf("lower('ÄÉ') = %q", got)
	}
	exec1(t, s.AdminURL(), "CREATE TABLE kept AS SELECT 'text' AS v")

	info, err := os.Stat(s.socket)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o700 {
		t.Errorf("socket folder has mode %v", info.Mode())
	}
	if err := s.EnsureLogin(t.Context(), "gatehouse_auth", "it's one"); err != nil {
		t.Fatal(err)
	}
	if err := s.EnsureLogin(t.Context(), "gatehouse_auth", `new "one`); err != nil {
		t.Fatal(err)
	}
	if got := query(t, s.URL("gatehouse_auth", ""), "SELECT current_user::text"); got != "gatehouse_auth" {
		t.Errorf("logged in as %q", got)
	}

	socket, pid := s.socket, s.PID()
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if isAlive(pid) {
		t.Error("the server lives after Stop")
	}
	if _, err := os.Stat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket folder is left: %v", err)
	}

	again := start(t, Options{Dir: dir})
	if got := query(t, again.AdminURL(), "SELECT v FROM kept"); got != "text" {
		t.Errorf("kept %q", got)
	}
	log, err := os.ReadFile(filepath.Join(dir, "logs", "postgres.log"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(log), "it's one") || strings.Contains(string(log), "it''s one") {
		t.Error("the log contains a password")
	}
}

func TestWrongPasswordIsRefused(t *testing.T) {
	s := start(t, Options{Dir: dataDir(t)})
	u, err := url.Parse(s.AdminURL())
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(AdminUser, "wrong")
	if _, err := pgx.Connect(t.Context(), u.String()); err == nil {
		t.Fatal("connected with a wrong password")
	}
}

func TestRestartsWhenKilled(t *testing.T) {
	s := start(t, Options{Dir: dataDir(t), Fsync: true})
	exec1(t, s.AdminURL(), "CREATE TABLE kept AS SELECT 'text' AS v")
	conn, err := pgx.Connect(t.Context(), s.AdminURL()) // its process outlives the postmaster for a moment
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for range 2 {
		pid := s.PID()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "restart", func() bool {
			c, err := pgx.Connect(t.Context(), s.AdminURL())
			if err != nil {
				return false
			}
			defer c.Close(context.Background())
			return s.PID() != pid
		})
	}
	if got := query(t, s.AdminURL(), "SELECT v FROM kept"); got != "text" {
		t.Errorf("kept %q", got)
	}
}

// Pools do not leave a server that shuts down "smartly", which would refuse
// everybody else for ever.
func TestRestartsWhenAskedToEnd(t *testing.T) {
	s := start(t, Options{Dir: dataDir(t)})
	conn, err := pgx.Connect(t.Context(), s.AdminURL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	pid := s.PID()
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if again, err := pgx.Connect(t.Context(), s.AdminURL()); err == nil {
			_ = again.Close(t.Context())
			if s.PID() != pid {
				return
			}
		}
		if time.Now().After(end) {
			t.Fatal("it does not come back")
		}
	}
}

func TestOneServerPerFolder(t *testing.T) {
	dir := dataDir(t)
	s := start(t, Options{Dir: dir})
	_, err := Start(t.Context(), Options{Dir: dir, Logger: quiet()})
	if err == nil || !strings.Contains(err.Error(), "in use by another gatehouse") {
		t.Fatalf("second start: %v", err)
	}
	if got := query(t, s.AdminURL(), "SELECT 'works'"); got != "works" {
		t.Error("the refused start broke the first")
	}
}

func TestLostPasswordFile(t *testing.T) {
	dir := dataDir(t)
	s := start(t, Options{Dir: dir})
	exec1(t, s.AdminURL(), "CREATE TABLE kept AS SELECT 'text' AS v")
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "postgres.password")); err != nil {
		t.Fatal(err)
	}
	s = start(t, Options{Dir: dir})
	if got := query(t, s.AdminURL(), "SELECT v FROM kept"); got != "text" {
		t.Errorf("kept %q", got)
	}
}

func TestWrongPasswordFile(t *testing.T) {
	dir := dataDir(t)
	if err := start(t, Options{Dir: dir}).Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "postgres.password")
	if err := os.WriteFile(file, []byte("another\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	s, err := Start(t.Context(), Options{Dir: dir})
	if err == nil {
		_ = s.Stop(t.Context())
		t.Fatal("started")
	}
	if !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "delete it") || strings.Contains(err.Error(), "another") {
		t.Errorf("error %q, want the file and what to do", err)
	}
	if took := time.Since(begun); took > 15*time.Second {
		t.Errorf("it took %v to say so", took)
	}
}

func TestInterruptedInitdb(t *testing.T) {
	dir := dataDir(t)
	if err := os.MkdirAll(filepath.Join(dir, "postgres.new", "base"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := start(t, Options{Dir: dir})
	if got := query(t, s.AdminURL(), "SELECT 'works'"); got != "works" {
		t.Error(got)
	}
}

func TestFolderThatTheServerCannotReach(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root starts the server as somebody else")
	}
	outer := dataDir(t)
	if err := os.Chmod(outer, 0o700); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(outer, "var")
	t.Cleanup(func() {
		if err := Remove(dir); err != nil {
			t.Error(err)
		}
	})
	s := start(t, Options{Dir: dir})
	if !strings.HasPrefix(s.cluster.path, sharedDir) {
		t.Errorf("the cluster is in %s", s.cluster.path)
	}
	exec1(t, s.AdminURL(), "CREATE TABLE kept AS SELECT 'text' AS v")
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = start(t, Options{Dir: dir})
	if got := query(t, s.AdminURL(), "SELECT v FROM kept"); got != "text" {
		t.Errorf("kept %q", got)
	}
	// Somebody cleaned up behind the link.
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(s.cluster.path); err != nil {
		t.Fatal(err)
	}
	s = start(t, Options{Dir: dir})
	if got := query(t, s.AdminURL(), "SELECT 'works'"); got != "works" {
		t.Error(got)
	}
	if err := Remove(dir); err == nil {
		t.Error("removed a cluster in use")
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := Remove(dir); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(s.cluster.path + "*"); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

func TestTemplate(t *testing.T) {
	from := dataDir(t)
	s := start(t, Options{Dir: from})
	exec1(t, s.AdminURL(), "CREATE TABLE kept AS SELECT 'text' AS v")
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = start(t, Options{Dir: dataDir(t), Template: from})
	if got := query(t, s.AdminURL(), "SELECT v FROM kept"); got != "text" {
		t.Errorf("kept %q", got)
	}
}

func TestErrors(t *testing.T) {
	version := func(text string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			if err := os.Mkdir(filepath.Join(dir, "postgres"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "postgres", "PG_VERSION"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tt := range []struct {
		name    string
		prepare func(t *testing.T, dir string)
		binDir  string
		want    []string
	}{
		{"no binaries in the folder", nil, "/nonexistent", []string{"no PostgreSQL in /nonexistent"}},
		{"another major version", version("9\n"), "", []string{"of PostgreSQL 9", "install postgresql-9", "move"}},
		{"damaged version", version("?"), "", []string{"PG_VERSION", "no version"}},
		{"no cluster but files", func(t *testing.T, dir string) {
			if err := os.MkdirAll(filepath.Join(dir, "postgres", "photos"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, "", []string{"is not empty", "move it away"}},
		{"a file instead of a folder", func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "postgres"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "", []string{"is not a folder"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := dataDir(t)
			if tt.prepare != nil {
				tt.prepare(t, dir)
			}
			_, err := Start(t.Context(), Options{Dir: dir, BinDir: tt.binDir, Logger: quiet()})
			wantError(t, err, tt.want...)
		})
	}
}

func TestNotInstalled(t *testing.T) {
	if matches, _ := filepath.Glob("/usr/lib/postgresql/*/bin"); len(matches) > 0 {
		// The message is the same for a folder list that is empty.
		_, err := findIn(nil, "", cluster{path: "/nonexistent"})
		wantError(t, err, "not installed", "apt-get install postgresql", "brew install postgresql")
		return
	}
	_, err := Start(t.Context(), Options{Dir: dataDir(t), Logger: quiet()})
	wantError(t, err, "not installed", "apt-get install postgresql", "brew install postgresql")
}

func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root mounts a small file system")
	}
	dir := dataDir(t)
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=10m,mode=0711", "none", dir).CombinedOutput(); err != nil {
		t.Skipf("mount: %s", out)
	}
	defer func() { _ = exec.Command("umount", dir).Run() }()
	_, err := Start(t.Context(), Options{Dir: dir, Logger: quiet()})
	wantError(t, err, "the disk is full", "free some space", dir)
	if _, err := os.Stat(filepath.Join(dir, "postgres.new")); !os.IsNotExist(err) {
		t.Error("the failed start left its draft")
	}
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	t.Log(err)
	if strings.Contains(err.Error(), "\n") {
		t.Error("the error has more than one line")
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q does not mention %q", err, p)
		}
	}
}
