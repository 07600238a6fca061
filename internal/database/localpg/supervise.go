package localpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	maxLogBytes = 10 << 20
	// statusInterval is how often the server's own word on its state is read.
	statusInterval = time.Second
	// invalidPassword is PostgreSQL's SQLSTATE for it.
	invalidPassword = "28P01"
)

// supervise runs the server and starts it again until Stop. first receives
// the error of the first start, or nil.
//
// It stays on one operating system thread for its whole life: on Linux the
// signal that a child gets "when its parent dies" comes when the *thread*
// that started it ends (prctl(2), PR_SET_PDEATHSIG).
func (s *Server) supervise(first chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(s.done)
	pause := time.Duration(0)
	for {
		begun := time.Now()
		offset := s.logSize()
		cmd, err := s.start()
		if first != nil {
			first <- err
			first = nil
			if err != nil {
				return
			}
		}
		if err == nil {
			err = s.wait(cmd)
			s.setProcess(nil)
			if s.isStopping() {
				return
			}
			err = s.explain(offset, err)
		}
		s.report(err)
		if time.Since(begun) > 10*time.Second {
			pause = 0
		}
		s.logger.Warn("local PostgreSQL ended, starting it again", "error", err, "pause", pause)
		select {
		case <-s.stopping:
			return
		case <-time.After(pause):
		}
		pause = min(max(2*pause, 100*time.Millisecond), 30*time.Second)
	}
}

// wait waits for the end of the server. When somebody else asks it to end by
// SIGTERM, it would refuse new clients until the last one has left, which
// pools never do: wait makes a fast shutdown of it, so that it starts again.
func (s *Server) wait(cmd *exec.Cmd) error {
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(statusInterval)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return err
		case <-tick.C:
			if !s.isStopping() && s.saysStopping(cmd.Process.Pid) {
				s.logger.Warn("local PostgreSQL was asked to end by somebody else")
				s.signal(syscall.SIGINT)
			}
		}
	}
}

// saysStopping reports whether the server says in its postmaster.pid that it
// shuts down: the word is the eighth line.
func (s *Server) saysStopping(pid int) bool {
	text, err := os.ReadFile(filepath.Join(s.cluster.path, "postmaster.pid"))
	if err != nil {
		return false
	}
	lines := strings.Split(string(text), "\n")
	return len(lines) >= 8 && lines[0] == strconv.Itoa(pid) && strings.TrimSpace(lines[7]) == "stopping"
}

// start starts one process of the server, unless Stop has begun.
func (s *Server) start() (*exec.Cmd, error) {
	log, err := s.openLog()
	if err != nil {
		return nil, explainErrno(s.opts.Dir, err)
	}
	defer log.Close() // the child has its own copy
	cmd := s.command("postgres", s.arguments()...)
	cmd.Stdout, cmd.Stderr = log, log
	stopWithParent(cmd.SysProcAttr)

	s.mu.Lock()
	defer s.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start local PostgreSQL as %s: %w", s.cluster.account, err)
	}
	s.process = cmd.Process
	if s.isStopping() { // Stop found no process to signal
		_ = cmd.Process.Kill()
	}
	return cmd, nil
}

func (s *Server) setProcess(p *os.Process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.process = p
}

func (s *Server) isStopping() bool {
	select {
	case <-s.stopping:
		return true
	default:
		return false
	}
}

// report leaves the latest error for awaitReady, if it still waits.
func (s *Server) report(err error) {
	select {
	case <-s.exits: //nolint:errcheck // replaced by the newer one
	default:
	}
	s.exits <- err
}

// command prepares a program of PostgreSQL: as the unprivileged user, in a
// process group of its own so that Ctrl-C reaches only us, and without our
// environment, whose PG* variables would change what it does.
func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.binaries.dir, name), args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + s.binaries.dir + ":/usr/bin:/bin", "LC_ALL=C", "TZ=UTC", "HOME=/"}
	cmd.SysProcAttr = s.cluster.account.attributes()
	return cmd
}

// arguments are the settings of the server. They are not in postgresql.conf,
// so that an old cluster gets those of a new Gatehouse.
func (s *Server) arguments() []string {
	args := []string{"-D", s.cluster.path}
	set := func(name, value string) { args = append(args, "-c", name+"="+value) }
	set("listen_addresses", "")
	set("unix_socket_directories", s.socket)
	set("unix_socket_permissions", "0700")
	set("port", "5432")
	set("max_connections", "100")
	set("shared_buffers", "32MB")
	set("max_wal_size", "256MB")
	set("wal_level", "minimal")
	set("max_wal_senders", "0")
	set("jit", "off")
	// In files below the cluster: /dev/shm is small in containers, and what a
	// killed server leaves there nobody removes.
	set("dynamic_shared_memory_type", "mmap")
	set("max_parallel_workers_per_gather", "0")
	set("timezone", "UTC")
	set("log_timezone", "UTC")
	set("log_destination", "stderr")
	set("logging_collector", "off")
	set("log_checkpoints", "off")
	set("log_line_prefix", "%m [%p] ")
	// A statement that fails may contain what must not be in a log.
	set("log_min_error_statement", "panic")
	if !s.opts.Fsync {
		set("fsync", "off")
		set("full_page_writes", "off")
	}
	return args
}

// awaitReady waits until the server answers and makes the database.
func (s *Server) awaitReady(ctx context.Context) error {
	begun := time.Now()
	for {
		err := s.ensureDatabase(ctx)
		if err == nil {
			return nil
		}
		if refused := new(pgconn.PgError); errors.As(err, &refused) && refused.Code == invalidPassword {
			return fmt.Errorf("%s does not hold the password of the local PostgreSQL in %s: restore it, or delete it to have a new one made",
				s.passwordFile(), s.cluster.path)
		}
		select {
		case exit := <-s.exits:
			// Processes of a killed server need a moment to see it.
			if !isTransient(exit) || time.Since(begun) > 10*time.Second {
				return exit
			}
		case <-ctx.Done():
			return fmt.Errorf("local PostgreSQL in %s does not answer (see %s): %w", s.cluster.path, s.logPath(), err)
		case <-time.After(15 * time.Millisecond):
		}
	}
}

func (s *Server) ensureDatabase(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if _, err := os.Stat(filepath.Join(s.socket, ".s.PGSQL.5432")); err != nil {
		return err // cheaper than to connect in vain
	}
	if conn, err := pgx.Connect(ctx, s.AdminURL()); err == nil {
		return conn.Close(ctx)
	}
	conn, err := pgx.Connect(ctx, s.URL(AdminUser, "postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, "CREATE DATABASE "+DefaultDatabase)
	return err
}

func (s *Server) logPath() string { return filepath.Join(s.opts.Dir, "logs", "postgres.log") }

func (s *Server) openLog() (*os.File, error) {
	return os.OpenFile(s.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

func (s *Server) logSize() int64 {
	info, err := os.Stat(s.logPath())
	if err != nil {
		return 0
	}
	return info.Size()
}

// rotateLog keeps one old log.
func (s *Server) rotateLog() error {
	if s.logSize() < maxLogBytes {
		return nil
	}
	return os.Rename(s.logPath(), s.logPath()+".1")
}
