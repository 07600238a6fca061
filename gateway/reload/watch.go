package reload

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// settle is how long a change is given to be followed by more.
	settle = 10 * time.Millisecond
	// secondLook is when what was refused is looked at again before that is
	// said: whoever writes in place may not have finished.
	secondLook = 60 * time.Millisecond
	// maxLooks bounds how long a refusal is kept back while files change.
	maxLooks = 20
	// sureAfter is how old a change must be for the next one to differ in time.
	sureAfter = time.Second
	// maxHashed is the size up to which a file is compared by its content.
	maxHashed = 64 << 20
)

// fingerprint tells one content of the configuration from another: the bytes
// of the file itself, and of the files that it names.
type fingerprint struct {
	file   [32]byte
	others [32]byte
}

// content is what was seen of a file.
type content struct {
	size     int64
	modified time.Time
	sum      [32]byte
	// sure says that a later change has another time: the clock of a file
	// system may stand still for longer than two writes take.
	sure bool
}

// looker takes fingerprints. It reads a file again only if it may have changed.
// One goroutine uses it at a time.
type looker struct {
	file string
	seen map[string]content
}

func (l *looker) look(others []string) fingerprint {
	data, err := os.ReadFile(l.file)
	if err != nil {
		data = []byte("unreadable: " + err.Error())
	}
	return fingerprint{sha256.Sum256(data), l.others(others)}
}

func (l *looker) others(files []string) [32]byte {
	h := sha256.New()
	seen := make(map[string]content, len(files))
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			fmt.Fprintf(h, "%s missing\n", f)
			continue
		}
		c, known := l.seen[f]
		if !known || !c.sure || c.size != info.Size() || !c.modified.Equal(info.ModTime()) {
			c = contentOf(f, info)
		}
		seen[f] = c
		fmt.Fprintf(h, "%s %x\n", f, c.sum)
	}
	l.seen = seen
	return [32]byte(h.Sum(nil))
}

// contentOf reads a file. What cannot be read, or is too large for a file of a
// configuration, is told by size and time.
func contentOf(path string, info fs.FileInfo) content {
	c := content{size: info.Size(), modified: info.ModTime(), sure: time.Since(info.ModTime()) > sureAfter}
	h := sha256.New()
	if info.Mode().IsRegular() && info.Size() <= maxHashed {
		if file, err := os.Open(path); err == nil {
			_, err = io.Copy(h, io.LimitReader(file, maxHashed))
			file.Close()
			if err == nil {
				c.sum = [32]byte(h.Sum(nil))
				return c
			}
		}
	}
	c.sum = sha256.Sum256(fmt.Appendf(nil, "%d %d", c.size, c.modified.UnixNano()))
	return c
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
	m.building.Lock()
	defer m.building.Unlock()
	for _, file := range append([]string{m.options.File}, m.watched...) {
		_ = w.Add(filepath.Dir(file))
	}
}

// check reloads if the content differs from what was seen last, and reports
// whether it did so.
func (m *Manager) check(ctx context.Context) bool {
	m.building.Lock()
	defer m.building.Unlock()
	if m.current.Load() == nil {
		return false
	}
	before := m.seen
	now := m.looker.look(m.watched)
	if now == before {
		return false
	}
	err := m.load(ctx)
	for looks := 1; err != nil && looks < maxLooks; looks++ {
		tried := m.seen
		if !pause(ctx, secondLook) {
			return false
		}
		now = m.looker.look(m.watched)
		if now == before {
			m.seen = now
			return false // the change was a half-written file
		}
		if now == tried {
			break
		}
		err = m.load(ctx)
	}
	m.tell(ctx, err)
	return true
}
