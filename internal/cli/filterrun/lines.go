package filterrun

import (
	"context"
	"io"
	"log/slog"
	"sync"
)

// maxBody bounds what is read of a body that a filter left as a stream.
const maxBody = 64 << 20

func readAll(r io.Reader) ([]byte, error) { return io.ReadAll(io.LimitReader(r, maxBody)) }

// attrStream is on lines that a guest has written to standard output or error.
const attrStream = "stream"

// lines is a slog.Handler that keeps what a filter, and the host about it, has
// logged. It is safe for concurrent use.
type lines struct {
	mu   sync.Mutex
	kept []string
}

var _ slog.Handler = (*lines)(nil)

// take returns the lines since the last take.
func (l *lines) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	kept := l.kept
	l.kept = nil
	return kept
}

// Enabled implements slog.Handler.
func (*lines) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelDebug }

// Handle implements slog.Handler.
func (l *lines) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == attrStream {
			text = "printed: " + text
		} else {
			text += " " + a.String()
		}
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept = append(l.kept, text)
	return nil
}

// WithAttrs implements slog.Handler: there is one filter, whose name says
// nothing.
func (l *lines) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup implements slog.Handler.
func (l *lines) WithGroup(string) slog.Handler { return l }
