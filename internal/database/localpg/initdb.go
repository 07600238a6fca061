package localpg

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// ensureCluster makes the cluster if there is none, and knows the password of
// the administrator afterwards.
func (s *Server) ensureCluster(ctx context.Context) error {
	file := s.passwordFile()
	major, err := s.cluster.major()
	if err != nil {
		return err
	}
	if major != 0 {
		if err := os.Chmod(s.cluster.path, 0o700); err != nil { // PostgreSQL refuses others, such as a careless copy has
			return err
		}
		text, err := os.ReadFile(file)
		if err == nil {
			s.password = strings.TrimSpace(string(text))
			return nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return s.resetPassword(ctx, file)
	}
	return s.makeCluster(ctx, file)
}

// passwordFile holds the administrator's password.
func (s *Server) passwordFile() string { return filepath.Join(s.opts.Dir, "postgres.password") }

// makeCluster works in a folder beside, which gets its name when it is
// complete: an interrupted start leaves no half cluster.
func (s *Server) makeCluster(ctx context.Context, passwordFile string) error {
	if entries, err := os.ReadDir(s.cluster.path); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s is not empty and holds no PostgreSQL data (no PG_VERSION): move it away", s.cluster.path)
	}
	draft := s.cluster.path + ".new"
	if err := os.RemoveAll(draft); err != nil {
		return err
	}
	if err := os.Mkdir(draft, 0o700); err != nil {
		return err
	}
	if err := s.cluster.account.own(draft); err != nil {
		return err
	}
	fill := s.initdb
	if s.opts.Template != "" {
		fill = s.copyTemplate
	}
	if err := fill(ctx, draft); err != nil {
		return errors.Join(err, os.RemoveAll(draft))
	}
	if err := writeSecret(passwordFile, s.password); err != nil {
		return err
	}
	return os.Rename(draft, s.cluster.path)
}

func (s *Server) initdb(ctx context.Context, draft string) error {
	s.password = rand.Text()
	secret := s.cluster.path + ".secret" // initdb wants a file; not in the draft, which must be empty
	if err := writeSecret(secret, s.password); err != nil {
		return err
	}
	defer os.Remove(secret)
	if err := s.cluster.account.own(secret); err != nil {
		return err
	}
	args := []string{
		"-D", draft, "--username=" + AdminUser, "--pwfile=" + secret,
		"--auth=scram-sha-256", "--encoding=UTF8", "--no-instructions",
	}
	if !s.opts.Fsync {
		args = append(args, "--no-sync", "--wal-segsize=1")
	}
	// Sorting by code point, which no update of a C library changes, but with
	// the case rules of Unicode where the system has such a locale.
	locale := []string{"--locale=C.UTF-8"}
	if runtime.GOOS == "darwin" {
		locale = []string{"--locale=C", "--lc-ctype=UTF-8"}
	}
	err := s.runInitdb(ctx, append(args, locale...))
	if err != nil && strings.Contains(err.Error(), "locale") {
		err = s.runInitdb(ctx, append(args, "--locale=C"))
	}
	return err
}

func (s *Server) runInitdb(ctx context.Context, args []string) error {
	offset := s.logSize()
	log, err := s.openLog()
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := s.command("initdb", args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run initdb as %s: %w", s.cluster.account, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	if err := cmd.Wait(); err != nil {
		return s.explain(offset, err)
	}
	return nil
}

// resetPassword gives the administrator a new password in single-user mode,
// because the file with the old one is gone.
func (s *Server) resetPassword(ctx context.Context, file string) error {
	s.password = rand.Text() // letters and digits only
	offset := s.logSize()
	log, err := s.openLog()
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := s.command("postgres", "--single", "-D", s.cluster.path, "-c", "log_min_error_statement=panic", "postgres")
	cmd.Stdin = strings.NewReader(fmt.Sprintf("ALTER ROLE %s PASSWORD '%s'\n", AdminUser, s.password))
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start PostgreSQL as %s: %w", s.cluster.account, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	if err := cmd.Wait(); err != nil {
		return s.explain(offset, err)
	}
	return writeSecret(file, s.password)
}

// copyTemplate copies the cluster of a stopped server.
func (s *Server) copyTemplate(_ context.Context, draft string) error {
	text, err := os.ReadFile(filepath.Join(s.opts.Template, "postgres.password"))
	if err != nil {
		return err
	}
	s.password = strings.TrimSpace(string(text))
	from, err := filepath.EvalSymlinks(filepath.Join(s.opts.Template, "postgres"))
	if err != nil {
		return err
	}
	if err := os.CopyFS(draft, os.DirFS(from)); err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	return filepath.WalkDir(draft, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		mode := os.FileMode(0o600)
		if d.IsDir() {
			mode = 0o700
		}
		return errors.Join(os.Chmod(path, mode), s.cluster.account.own(path))
	})
}

// writeSecret replaces the file in one step.
func writeSecret(file, secret string) error {
	draft := file + ".tmp"
	if err := os.Remove(draft); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(draft, []byte(secret+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(draft, file)
}
