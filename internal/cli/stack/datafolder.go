package stack

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// lockDataFolder makes the data folder and claims it for this process until
// release is called or the process ends.
func lockDataFolder(dir string) (release func(), err error) {
	// Others may pass through, so that PostgreSQL's user reaches its own
	// folder; what is secret is 0600 itself.
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return nil, fmt.Errorf("data folder %s: %w; choose another with --data", dir, pathCause(err))
	}
	name := filepath.Join(dir, "lock")
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data folder %s can't be written: %w; mend its permissions or choose another with --data", dir, pathCause(err))
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", name, err)
		}
		owner := "another process"
		if text, err := io.ReadAll(io.LimitReader(f, 32)); err == nil && len(text) > 0 {
			owner = "process " + strings.TrimSpace(string(text))
		}
		return nil, fmt.Errorf("data folder %s is in use by %s: stop that gatehouse, or choose another folder with --data", dir, owner)
	}
	if err := f.Truncate(0); err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("write %s: %w", name, pathCause(err))
		}
	}
	return func() { _ = f.Close() }, nil
}

// adviseData says what to do when a file of the data folder can't be used: an
// earlier start by root, for example, left files that others may not read.
func adviseData(dir string, err error) error {
	advice := ""
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		advice = "the disk is full: free some space and start again"
	case errors.Is(err, fs.ErrPermission):
		advice = fmt.Sprintf("give everything in %s to this user (chown -R), or choose another folder with --data", dir)
	case errors.Is(err, unix.EROFS):
		advice = "choose another folder with --data"
	default:
		return err
	}
	return fmt.Errorf("%w: %s", err, advice)
}

// pathCause drops the operation and path that a file error repeats.
func pathCause(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// writePrivate replaces file by data, readable by its owner alone. A reader
// sees the old or the new content, never half of one.
func writePrivate(file string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if _, err := tmp.Write(data); err != nil {
		tmp.Close()
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), file)
}
