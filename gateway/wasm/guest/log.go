package guest

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// maxLineBytes bounds one line of a guest's log.
const maxLineBytes = 2 << 10

type lineLimit struct {
	perSecond int
	now       func() time.Time

	mu      sync.Mutex
	second  int64
	written int
	dropped int
}

// take reports whether a line may be written, and how many were left out
// before it.
func (l *lineLimit) take() (ok bool, dropped int) {
	second := l.now().Unix()
	l.mu.Lock()
	defer l.mu.Unlock()
	if second != l.second {
		dropped, l.dropped = l.dropped, 0
		l.second, l.written = second, 0
	}
	if l.written >= l.perSecond {
		l.dropped++
		return false, 0
	}
	l.written++
	return true, dropped
}

// Enabled reports whether lines of the level are written at all.
func (l *Log) Enabled(level slog.Level) bool {
	return l.logger.Enabled(context.Background(), level)
}

// Line writes one line, or leaves it out.
func (l *Log) Line(level slog.Level, text string, attrs ...any) {
	if l.take(level) {
		l.write(level, text, attrs...)
	}
}

// Bytes is Line for a text of the guest's memory: what is left out costs
// nothing.
func (l *Log) Bytes(level slog.Level, text []byte) {
	if l.take(level) {
		l.write(level, string(text))
	}
}

func (l *Log) take(level slog.Level) bool {
	if !l.Enabled(level) {
		return false
	}
	ok, dropped := l.lines.take()
	if dropped > 0 {
		l.logger.Warn("filter log limited", "lines_left_out", dropped)
	}
	return ok
}

func (l *Log) write(level slog.Level, text string, attrs ...any) {
	if len(text) > maxLineBytes {
		text = text[:maxLineBytes] + "…"
	}
	l.logger.Log(context.Background(), level, strings.ToValidUTF8(text, "�"), attrs...)
}

// Unavailable says that credentials of a kind cannot be verified.
func (l *Log) Unavailable(kind, why string) {
	l.Line(slog.LevelWarn, "credential cannot be verified", "kind", kind, "reason", why)
}

// Output takes what a guest writes to standard output and error: a Go guest's
// panic, mostly. It belongs to one instance.
type Output struct {
	log    *Log
	charge func(bytes uint32)
	text   []byte
	// line is what was written since the last line break: runtimes write a panic
	// in dozens of pieces.
	line []byte
}

// maxOutputBytes bounds what is kept of a guest's output.
const maxOutputBytes = 1 << 10

// Write implements io.Writer.
func (o *Output) Write(p []byte) (int, error) {
	if o.charge != nil {
		o.charge(uint32(len(p)))
	}
	if room := maxOutputBytes - len(o.text); room > 0 {
		o.text = append(o.text, p[:min(room, len(p))]...)
	}
	n := len(p)
	if !o.log.Enabled(slog.LevelDebug) {
		return n, nil
	}
	for len(p) > 0 {
		part, rest, ended := bytes.Cut(p, []byte{'\n'})
		if room := maxLineBytes - len(o.line); room > 0 {
			o.line = append(o.line, part[:min(room, len(part))]...)
		}
		if ended {
			o.endLine()
		}
		p = rest
	}
	return n, nil
}

func (o *Output) endLine() {
	if text := bytes.TrimSpace(o.line); len(text) > 0 && o.log.take(slog.LevelDebug) {
		o.log.write(slog.LevelDebug, string(text), "stream", "stderr")
	}
	o.line = o.line[:0]
}

// FirstLine returns the first line written since the last Reset, and where in
// the filter's own code a panic of Go says that it was.
func (o *Output) FirstLine() string {
	line, rest, _ := strings.Cut(strings.TrimSpace(string(o.text)), "\n")
	if _, frame, ok := strings.Cut(rest, "\nmain."); ok {
		_, place, _ := strings.Cut(frame, "\n\t")
		place, _, _ = strings.Cut(place, "\n")
		if place, _, ok = strings.Cut(place, " +"); ok {
			line += " (" + place + ")"
		}
	}
	return strings.ToValidUTF8(line, "�")
}

// Reset forgets what was written.
func (o *Output) Reset() {
	o.text = o.text[:0]
	if len(o.line) > 0 {
		o.endLine()
	}
}
