package reload

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"gatehouse.example/gateway/config"
)

const (
	// settle is how long a change is given to be followed by more.
	settle = 10 * time.Millisecond
	// secondLook is when a file that was refused is read again before that is
	// said: whoever writes in place may not have finished.
	secondLook = 60 * time.Millisecond
)

// fingerprint tells one content of the configuration from another: the bytes
// of the file itself, and size and time of the files that it names.
type fingerprint struct {
	file   [32]byte
	others [32]byte
}

func look(file string, others []string) fingerprint {
	data, err := os.ReadFile(file)
	if err != nil {
		data = []byte("unreadable: " + err.Error())
	}
	return fingerprint{sha256.Sum256(data), lookOthers(others)}
}

func lookOthers(files []string) [32]byte {
	h := sha256.New()
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			fmt.Fprintf(h, "%s %d %d\n", f, info.Size(), info.ModTime().UnixNano())
		} else {
			fmt.Fprintf(h, "%s missing\n", f)
		}
	}
	return [32]byte(h.Sum(nil))
}

// Run follows the file until ctx is done. Folders are watched, not files, so
// that a file that is replaced by another is followed too; a look every
// [Options.Poll] finds what the system does not tell (network file systems).
func (m *Manager) Run(ctx context.Context) error {
	var events chan fsnotify.Event
	var errs chan error
	watcher, err := fsnotify.NewWatcher()
	if err == nil {
		defer func() { _ = watcher.Close() }()
		events, errs = watcher.Events, watcher.Errors
		m.follow(watcher)
	} else {
		m.options.Logger.LogAttrs(ctx, slog.LevelWarn, "no news of file changes, looking regularly instead", slog.Any("error", err))
	}
	ticker := time.NewTicker(m.options.Poll)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case err := <-errs: // the look finds what was missed
			m.options.Logger.LogAttrs(ctx, slog.LevelDebug, "news of file changes were lost", slog.Any("error", err))
		case <-events:
			if !pause(ctx, settle) {
				return nil
			}
			skim(events)
		}
		if m.check(ctx) && watcher != nil {
			m.follow(watcher)
		}
	}
}

// skim takes the events that are there.
func skim(events chan fsnotify.Event) {
	for {
		select {
		case <-events:
		default:
			return
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// follow watches the folders of all files. A folder that cannot be watched is
// left to the regular look; adding one twice does nothing.
func (m *Manager) follow(w *fsnotify.Watcher) {
	s := m.Acquire()
	if s == nil {
		return
	}
	defer s.Release()
	for _, file := range append([]string{m.options.File}, s.Config.Files...) {
		_ = w.Add(filepath.Dir(file))
	}
}

// check reloads if the content differs from what was seen last, and reports
// whether it did so.
func (m *Manager) check(ctx context.Context) bool {
	m.building.Lock()
	defer m.building.Unlock()
	s := m.current.Load()
	if s == nil {
		return false
	}
	now := look(m.options.File, s.Config.Files)
	if now == m.seen {
		return false
	}
	if !m.readable() {
		if !pause(ctx, secondLook) {
			return false
		}
		if look(m.options.File, s.Config.Files) == m.seen {
			return false // the change was a half-written file
		}
	}
	_ = m.apply(ctx) // it has told
	return true
}

// readable reports whether the file looks finished.
func (m *Manager) readable() bool {
	data, err := os.ReadFile(m.options.File)
	if err != nil || len(data) == 0 {
		return false
	}
	_, err = config.Parse(m.options.File, data)
	return err == nil
}
