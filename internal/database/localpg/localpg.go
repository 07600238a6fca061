package localpg

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// The administrator of the server, and the database that Start makes.
const (
	AdminUser       = "gatehouse"
	DefaultDatabase = "gatehouse"
)

const (
	startTimeout = 30 * time.Second
	fastStop     = 10 * time.Second // for SIGINT: disconnects clients, writes a checkpoint
	quitStop     = 3 * time.Second  // for SIGQUIT: no checkpoint, the next start recovers
)

// Options says where the server lives and how.
type Options struct {
	// Dir is the data folder of Gatehouse, made (0700) if it is missing.
	Dir string
	// Logger receives starts, deaths and restarts; nil means slog.Default.
	// The server's own log is the file logs/postgres.log in Dir.
	Logger *slog.Logger
	// Fsync makes commits survive a power failure. Without it, commits are
	// faster, and a power failure may destroy the cluster: for tests.
	Fsync bool
	// BinDir is the folder of initdb and postgres; "" searches PATH and the
	// usual folders of Debian, Red Hat and Homebrew.
	BinDir string
	// Template is the Dir of another, stopped server whose cluster is copied
	// if Dir has none yet, which is faster than initdb; "" runs initdb.
	Template string
}

// Server is a running, supervised PostgreSQL. It is safe for concurrent use.
type Server struct {
	opts     Options
	logger   *slog.Logger
	cluster  cluster
	binaries binaries
	socket   string // folder of the socket
	password string // of AdminUser
	lock     *os.File

	exits    chan error    // what ended the process, at most one that nobody took yet
	stopping chan struct{} // closed when Stop begins
	done     chan struct{} // closed when the supervisor returned
	stopOnce sync.Once

	mu        sync.Mutex
	process   *os.Process       // nil while none runs
	passwords map[string]string // of EnsureLogin
}

// Start makes the cluster if there is none, starts the server, and waits
// until it answers; ctx bounds only that. The server runs until Stop or until
// the process ends, also by SIGKILL (on Linux; elsewhere the next Start stops
// a server that was left behind).
//
// # Errors
//
// One line each that says what, where, and what to do: missing binaries, a
// folder that is not accessible or in use by another Gatehouse, a cluster of
// another major version, a full disk; else the server's own FATAL line.
func Start(ctx context.Context, o Options) (_ *Server, err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	s := &Server{
		opts: o, logger: o.Logger,
		exits: make(chan error, 1), stopping: make(chan struct{}), done: make(chan struct{}),
		passwords: map[string]string{},
	}
	if s.logger == nil {
		s.logger = slog.Default()
	}
	defer func() {
		if err != nil {
			s.cleanUp()
		}
	}()
	if err := s.prepare(ctx); err != nil {
		return nil, explainErrno(s.opts.Dir, err)
	}
	first := make(chan error, 1)
	go s.supervise(first)
	if err := <-first; err != nil {
		<-s.done
		return nil, err
	}
	if err := s.awaitReady(ctx); err != nil {
		_ = s.Stop(context.Background()) // the reason is err
		return nil, err
	}
	return s, nil
}

// prepare does all that comes before the first process of the server.
func (s *Server) prepare(ctx context.Context) (err error) {
	if s.opts.Dir, err = filepath.Abs(s.opts.Dir); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(s.opts.Dir, "logs"), 0o700); err != nil {
		return err
	}
	if s.cluster, err = locate(s.opts.Dir); err != nil {
		return err
	}
	if s.lock, err = lockFile(s.cluster.path+".lock", s.opts.Dir); err != nil {
		return err
	}
	if err := s.removeOrphan(ctx); err != nil {
		return err
	}
	if s.binaries, err = findBinaries(s.opts.BinDir, s.cluster); err != nil {
		return err
	}
	if err := s.rotateLog(); err != nil {
		return err
	}
	if err := s.ensureCluster(ctx); err != nil {
		return err
	}
	return s.makeSocketDir()
}

// URL returns the URL of the database for a user: AdminUser or one whose
// password EnsureLogin set. db "" means DefaultDatabase. It contains the
// password and stays valid while the Server lives, also over restarts.
func (s *Server) URL(user, db string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	password, ok := s.passwords[user]
	if user == AdminUser {
		password, ok = s.password, true
	}
	if db == "" {
		db = DefaultDatabase
	}
	u := url.URL{Scheme: "postgres", Path: "/" + db, RawQuery: url.Values{"host": {s.socket}}.Encode()}
	u.User = url.User(user)
	if ok {
		u.User = url.UserPassword(user, password)
	}
	return u.String()
}

// AdminURL returns the URL of DefaultDatabase for the administrator.
func (s *Server) AdminURL() string { return s.URL(AdminUser, DefaultDatabase) }

// EnsureLogin makes the role if it is missing and lets it log in with the
// password; URL knows it from then on.
func (s *Server) EnsureLogin(ctx context.Context, role, password string) error {
	conn, err := pgx.Connect(ctx, s.AdminURL())
	if err != nil {
		return fmt.Errorf("login of role %q: %w", role, err)
	}
	defer func() { _ = conn.Close(ctx) }()
	var statement string
	err = conn.QueryRow(ctx, `SELECT format(
		CASE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = $1)
		THEN 'ALTER ROLE %I LOGIN PASSWORD %L' ELSE 'CREATE ROLE %I LOGIN PASSWORD %L' END,
		$1::text, $2::text)`, role, password).Scan(&statement)
	if err != nil {
		return fmt.Errorf("login of role %q: %w", role, err)
	}
	if _, err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("login of role %q: %w", role, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passwords[role] = password
	return nil
}

// PID returns the process id of the postmaster, 0 while none runs.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return 0
	}
	return s.process.Pid
}

// Stop stops the server and waits for its end: by a fast shutdown (clients
// are disconnected), and harder after ten seconds or when ctx is done. It
// returns an error only if it was hard; the next start recovers from that.
// Further calls wait for the first.
func (s *Server) Stop(ctx context.Context) error {
	var err error
	s.stopOnce.Do(func() {
		close(s.stopping)
		err = s.shutDown(ctx)
		s.cleanUp()
	})
	return err
}

func (s *Server) shutDown(ctx context.Context) error {
	s.signal(syscall.SIGINT)
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
	case <-time.After(fastStop):
	}
	s.signal(syscall.SIGQUIT)
	select {
	case <-s.done:
	case <-time.After(quitStop):
		s.signal(syscall.SIGKILL)
		<-s.done
	}
	return errors.New("local PostgreSQL did not stop in time and was stopped hard; the next start recovers")
}

func (s *Server) signal(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		_ = s.process.Signal(sig) // it may just have ended
	}
}

// cleanUp removes what belongs to a running server only.
func (s *Server) cleanUp() {
	if s.socket != "" {
		_ = os.RemoveAll(s.socket)
		_ = os.Remove(s.socketRecord())
	}
	if s.lock != nil {
		_ = s.lock.Close() // gives the lock back
		s.lock = nil
	}
}
