package localpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// removeOrphan stops a server that a killed Gatehouse left behind, and removes
// what it cannot have removed itself. We hold the lock of the cluster, so no
// living Gatehouse owns that server.
func (s *Server) removeOrphan(ctx context.Context) error {
	s.removeStaleSocket()
	pidFile := filepath.Join(s.cluster.path, "postmaster.pid")
	pid, err := readPID(pidFile)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return err
	}
	if pid > 0 && isAlive(pid) && isPostmaster(pid, s.cluster.path) {
		s.logger.WarnContext(ctx, "stopping a local PostgreSQL that an earlier run left behind", "pid", pid)
		if err := stopProcess(pid); err != nil {
			return fmt.Errorf("stop PostgreSQL (pid %d) that an earlier run left behind in %s: %w", pid, s.cluster.path, err)
		}
	}
	// A process with a used-again id would make PostgreSQL refuse to start.
	// Its real guard, the shared memory of living backends, stays.
	if err := os.Remove(pidFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// readPID returns the first line of a postmaster.pid; 0 for a damaged one.
func readPID(file string) (int, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		return 0, nil // an unfinished write; the file is replaced
	}
	return max(pid, -pid), nil // negative in single-user mode
}

func isAlive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

// stopProcess goes from a fast shutdown to SIGKILL.
func stopProcess(pid int) error {
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGINT, 8 * time.Second}, {syscall.SIGQUIT, quitStop}, {syscall.SIGKILL, quitStop}} {
		if err := syscall.Kill(pid, step.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
		for end := time.Now().Add(step.wait); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if !isAlive(pid) {
				return nil
			}
		}
	}
	return errors.New("it does not end")
}
