package databasetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"gatehouse.example/internal/database/localpg"
)

// instance is a server with what lives as long as it does.
type instance struct {
	server *localpg.Server
	folder *runFolder
}

// launch starts a server on a copy of a cluster that is made once for a
// machine: copying is faster than initdb.
func launch() (*instance, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	logger := slog.New(slog.DiscardHandler)
	template, folder, err := prepare(ctx, logger)
	if err != nil {
		return nil, err
	}
	s, err := localpg.Start(ctx, localpg.Options{Dir: folder.dir, Template: template, Logger: logger})
	if err != nil {
		folder.release()
		return nil, err
	}
	return &instance{server: s, folder: folder}, nil
}

func (i *instance) stop() error {
	defer i.folder.release()
	return i.server.Stop(context.Background())
}

// prepare makes the template, if this is the first process, and the folder.
func prepare(ctx context.Context, logger *slog.Logger) (string, *runFolder, error) {
	base, err := baseDir()
	if err != nil {
		return "", nil, err
	}
	guard, err := lock(filepath.Join(base, "lock"), true)
	if err != nil {
		return "", nil, err
	}
	defer guard.Close()
	sweep(base)
	template, err := ensureTemplate(ctx, base, logger)
	if err != nil {
		return "", nil, err
	}
	folder, err := newRunFolder(base)
	return template, folder, err
}

// baseDir is a folder of this user that everybody may pass, because a server
// that root starts runs as somebody else. Memory is preferred to a disk where
// there is plenty.
func baseDir() (string, error) {
	parents := []string{os.TempDir(), "/tmp"}
	var fs syscall.Statfs_t
	if err := syscall.Statfs("/dev/shm", &fs); err == nil && fs.Bavail*uint64(fs.Bsize) > 2<<30 {
		parents = append([]string{"/dev/shm"}, parents...)
	}
	var tried []error
	for _, parent := range parents {
		dir := filepath.Join(parent, "gatehouse-databasetest-"+strconv.Itoa(os.Geteuid()))
		if err := ownDir(dir); err != nil {
			tried = append(tried, err)
			continue
		}
		return dir, nil
	}
	return "", errors.Join(tried...)
}

// ownDir makes the folder, or checks that it is ours and no link: its parent
// is everybody's.
func ownDir(dir string) error {
	if err := os.Mkdir(dir, 0o711); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || int(st.Uid) != os.Geteuid() || info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s is not a folder that only this user writes", dir)
	}
	return os.Chmod(dir, 0o711)
}

// lock locks a file until it is closed or the process ends.
func lock(file string, wait bool) (*os.File, error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	how := syscall.LOCK_EX
	if !wait {
		how |= syscall.LOCK_NB
	}
	for {
		if err = syscall.Flock(int(f.Fd()), how); !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// sweep does the work of reapers that were killed too: a living one holds the
// lock of its folder.
func sweep(base string) {
	dirs, _ := filepath.Glob(filepath.Join(base, "run-*")) // fails only for a bad pattern
	for _, dir := range dirs {
		owner, err := lock(filepath.Join(dir, "owner"), false)
		if err != nil {
			continue // it lives
		}
		_ = exec.Command("/bin/sh", "-c", reaper, "reaper", dir).Run() // if it fails, the next one tries
		_ = owner.Close()
	}
}

// ensureTemplate makes the cluster to copy, one for each version of
// PostgreSQL and of what we ask initdb for.
func ensureTemplate(ctx context.Context, base string, logger *slog.Logger) (string, error) {
	version, err := localpg.Version("")
	if err != nil {
		return "", err
	}
	template := filepath.Join(base, "template-1-"+version)
	if _, err := os.Stat(template); err == nil {
		return template, nil
	}
	draft := filepath.Join(base, "draft")
	if err := os.RemoveAll(draft); err != nil {
		return "", err
	}
	if err := os.Mkdir(draft, 0o711); err != nil {
		return "", err
	}
	s, err := localpg.Start(ctx, localpg.Options{Dir: draft, Logger: logger})
	if err != nil {
		return "", err
	}
	if err := s.Stop(ctx); err != nil {
		return "", err
	}
	return template, os.Rename(draft, template)
}

// runFolder is the data folder of one server. Both files must stay reachable
// while the server lives: a finalizer would close them.
type runFolder struct {
	dir   string
	owner *os.File // locked, so that nobody sweeps the folder
	life  *os.File // its end wakes the reaper
	reap  *exec.Cmd
}

// newRunFolder makes a folder with a reaper. The caller holds the lock of
// base, so that nobody sweeps the folder before its owner is known.
func newRunFolder(base string) (*runFolder, error) {
	dir, err := os.MkdirTemp(base, "run-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		return nil, err
	}
	f := &runFolder{dir: dir}
	if f.owner, err = lock(filepath.Join(dir, "owner"), true); err != nil {
		return nil, err
	}
	return f, f.startReaper()
}

// release lets the reaper remove the folder and waits for it.
func (f *runFolder) release() {
	_ = f.life.Close()
	_ = f.reap.Wait() // what it left, the next sweep takes
	_ = f.owner.Close()
}

// reaper waits until its standard input ends, which it does with the process
// that holds the other end, however that dies. Then it stops a server that
// still runs in the folder and removes the folder.
const reaper = `
cat >/dev/null
socket=$(cat "$1/postgres.socket" 2>/dev/null)
pid=$(head -n 1 "$1/postgres/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ]; then
	kill -QUIT "$pid" 2>/dev/null
	n=0
	while kill -0 "$pid" 2>/dev/null && [ $n -lt 100 ]; do sleep 0.05; n=$((n+1)); done
fi
case "$socket" in */gatehouse-pg-*) rm -rf -- "$socket" ;; esac
rm -rf -- "$1"
`

func (f *runFolder) startReaper() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd := exec.Command("/bin/sh", "-c", reaper, "reaper", f.dir)
	cmd.Stdin = r
	cmd.ExtraFiles = []*os.File{f.owner} // so it shares the lock, until it has done its work
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // Ctrl-C is not for it
	if err := cmd.Start(); err != nil {
		return errors.Join(err, w.Close())
	}
	f.life, f.reap = w, cmd
	return nil
}
