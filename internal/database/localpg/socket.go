package localpg

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	socketPrefix = "gatehouse-pg-"
	// maxSocketPath is the shortest limit of our systems for sun_path without
	// the final zero (macOS; Linux has 107).
	maxSocketPath = 103
)

func (s *Server) socketRecord() string { return filepath.Join(s.opts.Dir, "postgres.socket") }

// makeSocketDir makes the private folder of the socket. It is not below Dir,
// whose path may be longer than a socket's may be.
func (s *Server) makeSocketDir() error {
	var tried []error
	for _, parent := range socketParents() {
		dir, err := os.MkdirTemp(parent, socketPrefix)
		if err != nil {
			tried = append(tried, err)
			continue
		}
		if err := s.cluster.account.usable(dir); err != nil {
			_ = os.Remove(dir)
			tried = append(tried, err)
			continue
		}
		s.socket = dir
		return os.WriteFile(s.socketRecord(), []byte(dir+"\n"), 0o600)
	}
	return fmt.Errorf("no folder for the socket of the local PostgreSQL: %w", errors.Join(tried...))
}

// socketParents are the folders to try, those with too long a path left out.
func socketParents() []string {
	parents := []string{os.TempDir(), "/tmp"}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" && os.Geteuid() != 0 {
		parents = append([]string{dir}, parents...)
	}
	var short []string
	for _, p := range parents {
		// MkdirTemp appends up to ten digits, the server ".s.PGSQL.5432.lock".
		if len(filepath.Join(p, socketPrefix+"0123456789", ".s.PGSQL.5432.lock")) <= maxSocketPath {
			short = append(short, p)
		}
	}
	return short
}

// removeStaleSocket removes the folder that a killed run recorded.
func (s *Server) removeStaleSocket() {
	text, err := os.ReadFile(s.socketRecord())
	if err != nil {
		return
	}
	dir := strings.TrimSpace(string(text))
	if filepath.IsAbs(dir) && strings.HasPrefix(filepath.Base(dir), socketPrefix) {
		_ = os.RemoveAll(dir)
	}
	_ = os.Remove(s.socketRecord())
}
