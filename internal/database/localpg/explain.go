package localpg

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"syscall"
)

// errTransient marks an end that a moment of patience cures.
var errTransient = errors.New("processes of an earlier server still end")

func isTransient(err error) bool { return errors.Is(err, errTransient) }

// explain makes one line of what a program wrote to the log after offset
// before it ended with exit: the cause and what to do.
func (s *Server) explain(offset int64, exit error) error {
	cause := s.loggedCause(offset)
	where := fmt.Sprintf("local PostgreSQL in %s", s.cluster.path)
	has := func(part string) bool { return strings.Contains(cause, part) }
	switch {
	case cause == "":
		return fmt.Errorf("%s ended without a word (%v): see %s", where, exit, s.logPath()) //nolint:errorlint // a status, and nil where there is none
	case has("No space left on device"), has("Disk quota exceeded"), has("wrote only"):
		return fmt.Errorf("%s: the disk is full: free some space and start again (%s)", where, cause)
	case has("database files are incompatible"):
		return fmt.Errorf("%s: the data is of another version than PostgreSQL %s: install that version, or move %s away to start empty",
			where, s.binaries.full, s.cluster.path)
	case has("pre-existing shared memory block"), has("lock file \"postmaster.pid\" already exists"):
		return fmt.Errorf("%s: %w: end those of %s that hang or are stopped (%s)", where, errTransient, s.cluster.account, cause)
	case has("Permission denied"), has("could not access"), has("invalid permissions"), has("wrong ownership"):
		return fmt.Errorf("%s: not accessible for %s: give it back with \"chown -R\", or choose another data folder (%s)",
			where, s.cluster.account, cause)
	}
	return fmt.Errorf("%s: %s: see %s", where, cause, s.logPath())
}

// loggedCause returns the first FATAL or PANIC line, or an "error:" line of a
// program, without its prefix.
func (s *Server) loggedCause(offset int64) string {
	text, err := os.ReadFile(s.logPath())
	if err != nil || int64(len(text)) < offset {
		return ""
	}
	// A client that was disconnected or refused also gets FATAL; those lines
	// say nothing about the server.
	client := regexp.MustCompile(`terminating connection|authentication failed|does not exist|the database system is`)
	line := regexp.MustCompile(`(?:FATAL|PANIC|error|fatal): +(.*)`)
	for l := range strings.Lines(string(text[offset:])) {
		m := line.FindStringSubmatch(strings.TrimSpace(l))
		if m != nil && !client.MatchString(m[1]) {
			return m[1]
		}
	}
	return ""
}

// explainErrno adds what to do to errors of our own file operations.
func explainErrno(dir string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("data folder %s: the disk is full: free some space and start again: %w", dir, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("data folder %s is not accessible: give it to this user, or choose another one: %w", dir, err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("data folder %s is on a read-only file system: choose another one: %w", dir, err)
	}
	return err
}
