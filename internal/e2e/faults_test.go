package e2e

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What dies comes back, and nothing is lost.
func TestPartsThatDie(t *testing.T) {
	in := dev(t, dataFolder(t))
	clientID := in.publicClient(t, redirectURI)
	before := in.register(t, "before@example.com")

	t.Run("second dev on the same folder", func(t *testing.T) {
		_, stderr, exit := command(t, environment(), "dev", "--data", in.data, "--http", "127.0.0.1:0", "--https", "127.0.0.1:0")
		if exit != 1 || !strings.Contains(stderr, "in use by process "+strconv.Itoa(in.cmd.Process.Pid)) {
			t.Errorf("exit %d: %s", exit, stderr)
		}
	})
	t.Run("port in use", func(t *testing.T) {
		port := strings.TrimPrefix(in.issuer, "http://localhost:")
		_, stderr, exit := command(t, environment(), "dev", "--data", dataFolder(t), "--http", "127.0.0.1:"+port, "--https", "127.0.0.1:0")
		if exit != 1 || !strings.Contains(stderr, "127.0.0.1:"+port+" is in use") || !strings.Contains(stderr, "--http") {
			t.Errorf("exit %d: %s", exit, stderr)
		}
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		killed := 0
		for _, pid := range children(t, in.cmd.Process.Pid, "postgres") {
			if syscall.Kill(pid, syscall.SIGKILL) == nil {
				killed++
			}
		}
		if killed == 0 {
			t.Fatal("no PostgreSQL process found")
		}
		await(t, 45*time.Second, "sign in after the restart", func() error {
			if status := in.signIn(t, before.browser, before.email, password); status != http.StatusOK {
				return fmt.Errorf("status %d", status)
			}
			return expectStatus(t, http.MethodGet, in.issuer+"/readyz", "", http.StatusOK)
		})
		in.tokens(t, before, clientID)
	})
	t.Run("PostgreSQL hangs", func(t *testing.T) {
		var all []int
		for _, pid := range children(t, in.cmd.Process.Pid, "postgres") {
			all = append(append(all, pid), children(t, pid, "postgres")...)
		}
		for _, pid := range all {
			_ = syscall.Kill(pid, syscall.SIGSTOP)
		}
		status := in.signIn(t, newBrowser(t, in.issuer), before.email, password)
		for _, pid := range all {
			_ = syscall.Kill(pid, syscall.SIGCONT)
		}
		if status != http.StatusServiceUnavailable {
			t.Errorf("sign in while PostgreSQL hangs: %d", status)
		}
		await(t, 45*time.Second, "sign in after the hang", func() error {
			if status := in.signIn(t, before.browser, before.email, password); status != http.StatusOK {
				return fmt.Errorf("status %d", status)
			}
			return nil
		})
	})
	t.Run("mail plugin", func(t *testing.T) {
		plugins := children(t, in.cmd.Process.Pid, "mail-file")
		if len(plugins) != 1 {
			t.Fatalf("plugin processes: %v; only configured plugins run", plugins)
		}
		if err := syscall.Kill(plugins[0], syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		in.register(t, "after@example.com")
	})
	t.Run("kill -9 of gatehouse", func(t *testing.T) {
		pids := append(children(t, in.cmd.Process.Pid, "postgres"), children(t, in.cmd.Process.Pid, "mail-file")...)
		_ = in.cmd.Process.Kill()
		<-in.done
		await(t, 20*time.Second, "no orphan is left", func() error {
			for _, pid := range pids {
				if alive(pid) {
					return fmt.Errorf("process %d is still there", pid)
				}
			}
			return nil
		})
		again := dev(t, in.data)
		if status := again.signIn(t, newBrowser(t, again.issuer), before.email, password); status != http.StatusOK {
			t.Errorf("sign in after the crash: %d", status)
		}
	})
}

// alive reports whether a process exists and is not a zombie.
func alive(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return errors.Is(syscall.Kill(pid, 0), nil) && !errors.Is(err, os.ErrNotExist)
	}
	_, rest, _ := cutLast(string(text), ")")
	return !strings.HasPrefix(strings.TrimSpace(rest), "Z")
}

// children returns the direct children of pid whose command has that name.
func children(t *testing.T, pid int, name string) []int {
	t.Helper()
	entries, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var found []int
	for _, e := range entries {
		text, err := os.ReadFile(e)
		if err != nil {
			continue
		}
		head, rest, ok := cutLast(string(text), ")")
		fields := strings.Fields(rest)
		if !ok || len(fields) < 2 || fields[1] != strconv.Itoa(pid) || !strings.HasSuffix(head, "("+name) {
			continue
		}
		child, err := strconv.Atoi(strings.Fields(head)[0])
		if err == nil {
			found = append(found, child)
		}
	}
	return found
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// A terminal that is closed stops "dev" as Ctrl-C does; so does a signal while
// it starts, and then it says that, not what came of it.
func TestStops(t *testing.T) {
	ended := func(t *testing.T, p *process) int {
		t.Helper()
		select {
		case <-p.done:
		case <-time.After(30 * time.Second):
			t.Fatal("it does not stop")
		}
		return p.cmd.ProcessState.ExitCode()
	}
	t.Run("terminal closes", func(t *testing.T) {
		in := dev(t, dataFolder(t))
		_ = in.cmd.Process.Signal(syscall.SIGHUP)
		if exit := ended(t, in.process); exit != 0 || !strings.Contains(in.output.String(), "gatehouse: stopping") {
			t.Errorf("exit %d", exit)
		}
	})
	t.Run("while it starts", func(t *testing.T) {
		data := dataFolder(t)
		p := launch(t, environment(), "dev", "--data", data, "--http", "127.0.0.1:0", "--https", "127.0.0.1:0")
		await(t, 20*time.Second, "PostgreSQL is made", func() error {
			_, err := os.Stat(filepath.Join(data, "postgres.lock"))
			return err
		})
		_ = p.cmd.Process.Signal(syscall.SIGINT)
		if exit := ended(t, p); exit != 1 || p.output.String() != "gatehouse: interrupted before it was ready\n" {
			t.Errorf("exit %d: %s", exit, p.output)
		}
	})
}

func TestBadInput(t *testing.T) {
	t.Run("unknown key", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "gatehouse.yaml")
		if err := os.WriteFile(file, []byte("issuer: http://localhost:8080\nauth:\n  lisen: 127.0.0.1:1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, stderr, exit := command(t, environment(), "config", "show", "--config", file)
		if exit != 1 || !strings.Contains(stderr, file+":3:3") || !strings.Contains(stderr, "lisen") {
			t.Errorf("exit %d: %s", exit, stderr)
		}
	})
	t.Run("environment", func(t *testing.T) {
		_, stderr, exit := command(t, environment("GATEHOUSE_DATABASE__MAX_CONNECTIONS=many"), "config", "show")
		if exit != 1 || !strings.Contains(stderr, "GATEHOUSE_DATABASE__MAX_CONNECTIONS") {
			t.Errorf("exit %d: %s", exit, stderr)
		}
	})
	t.Run("unknown flag and command", func(t *testing.T) {
		for _, args := range [][]string{{"dev", "--colour"}, {"deb"}, {"client", "make"}, {"cert", "issue"}} {
			if _, stderr, exit := command(t, environment(), args...); exit != 2 {
				t.Errorf("%v: exit %d: %s", args, exit, stderr)
			}
		}
	})
	t.Run("data folder that is a file", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "var")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		_, stderr, exit := command(t, environment(), "dev", "--data", file)
		oneLine(t, stderr, exit, file)
	})
	t.Run("admin port in use", func(t *testing.T) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		address := ln.Addr().String()
		_, stderr, exit := command(t, environment("GATEHOUSE_GATEWAY__ADMIN_LISTEN="+address),
			"dev", "--data", dataFolder(t), "--http", "127.0.0.1:0", "--https", "127.0.0.1:0")
		oneLine(t, stderr, exit, address+" is in use by another process: stop it or change gateway.admin_listen")
	})
	t.Run("alone without servers", func(t *testing.T) {
		data := dataFolder(t)
		if _, stderr, exit := command(t, environment(), "cert", "issue", "gateway", "auth", "user", "email", "--data", data); exit != 0 {
			t.Fatalf("cert issue: %d %s", exit, stderr)
		}
		for _, part := range []string{"auth", "user", "email"} {
			_, stderr, exit := command(t, environment(), part, "--data", data, "--listen", "127.0.0.1:0")
			oneLine(t, stderr, exit, "database.url")
		}
		_, stderr, exit := command(t, environment(), "gateway", "--data", data, "--http", "127.0.0.1:0", "--https", "127.0.0.1:0")
		oneLine(t, stderr, exit, "bus.url")
	})
	t.Run("alone without certificate", func(t *testing.T) {
		_, stderr, exit := command(t, environment(), "user", "--data", dataFolder(t), "--listen", "127.0.0.1:0")
		oneLine(t, stderr, exit, "gatehouse cert issue user")
	})
	t.Run("database that is not there", func(t *testing.T) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := ln.Addr().String()
		ln.Close()
		_, stderr, exit := command(t, environment(), "migrate", "up", "--database-url", "postgres://x:secretword@"+address+"/y")
		oneLine(t, stderr, exit, address)
		if strings.Contains(stderr, "secretword") {
			t.Errorf("the password is printed: %s", stderr)
		}
	})
}

// oneLine checks that an error is one line that contains what, with exit code 1.
func oneLine(t *testing.T, stderr string, exit int, what string) {
	t.Helper()
	if exit != 1 || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, what) {
		t.Errorf("exit %d, want one line with %q: %s", exit, what, stderr)
	}
}
