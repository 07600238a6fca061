package pluginhost

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	runtimePattern = "gatehouse-plugins-"
	lockName       = "lock"
	// A folder that is younger may be one that its host is about to lock.
	sweepAge = time.Minute
	// The longest temporary folder below which a socket's path fits into the
	// 104 bytes that the smallest system has for one.
	maxTempDirBytes = 24
)

// runtimeDir is the private folder of one host for its plugins' sockets. The
// host holds a lock in it while it lives, so that another can tell what a
// killed host has left.
type runtimeDir struct {
	path string
	lock *os.File
}

// newRuntimeDir makes the folder below parent, and removes what killed hosts
// have left there. An empty parent is the system's.
func newRuntimeDir(parent string) (*runtimeDir, error) {
	path, err := makeBelow(parent)
	if err != nil {
		return nil, fmt.Errorf("make folder for sockets of plugins: %w: set TMPDIR to a folder that this user may write to", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), os.RemoveAll(path))
	}
	return &runtimeDir{path: path, lock: lock}, nil
}

// makeBelow makes the folder below parent, or below the first of the system's
// folders that is short enough and can be written.
func makeBelow(parent string) (path string, err error) {
	parents := []string{parent}
	if parent == "" {
		parents = []string{"/tmp"}
		if dir := os.TempDir(); len(dir) <= maxTempDirBytes {
			parents = []string{dir, "/tmp"}
		}
	}
	for _, dir := range parents {
		sweep(dir)
		if path, err = os.MkdirTemp(dir, runtimePattern); err == nil {
			return path, nil
		}
	}
	return "", err
}

func (d *runtimeDir) remove() error {
	return errors.Join(os.RemoveAll(d.path), d.lock.Close())
}

// sweep is best effort: what can't be removed now is left for the next host.
func sweep(parent string) {
	left, _ := filepath.Glob(filepath.Join(parent, runtimePattern+"*"))
	for _, path := range left {
		if info, err := os.Lstat(path); err != nil || !info.IsDir() || time.Since(info.ModTime()) < sweepAge {
			continue
		}
		lock, err := os.OpenFile(filepath.Join(path, lockName), os.O_RDWR, 0)
		if err != nil {
			continue
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			_ = os.RemoveAll(path)
		}
		_ = lock.Close()
	}
}
