package pluginhost

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Longer lines of a plugin's log are cut.
const maxLogLineBytes = 8 << 10

// logReader forwards a plugin's standard error to slog. Lines may be JSON as
// log/slog or hclog write it, or plain text (a panic, say).
type logReader struct {
	logger *slog.Logger

	mu   sync.Mutex
	line string
}

func (l *logReader) read(r io.Reader) {
	lines := bufio.NewReaderSize(r, maxLogLineBytes)
	continued := false
	for {
		line, isPrefix, err := lines.ReadLine()
		if err != nil {
			return
		}
		if !continued && len(bytes.TrimSpace(line)) > 0 {
			l.forward(line)
		}
		continued = isPrefix
	}
}

// Write implements [io.Writer] for what a plugin prints after its start.
func (l *logReader) Write(p []byte) (int, error) {
	l.read(bytes.NewReader(p))
	return len(p), nil
}

// last is the latest line, for the message about a plugin that did not start.
func (l *logReader) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.line
}

func (l *logReader) forward(line []byte) {
	var record map[string]any
	level, message := slog.LevelWarn, string(line)
	var attrs []slog.Attr
	if json.Unmarshal(line, &record) == nil && record != nil {
		level = logLevel(take(record, "level", "@level"))
		message = take(record, "msg", "@message")
		take(record, "time", "@timestamp")
		for _, key := range slices.Sorted(maps.Keys(record)) {
			attrs = append(attrs, slog.Any(key, record[key]))
		}
	}
	last := message
	if cause, ok := record["error"].(string); ok {
		last += ": " + cause
	}
	l.mu.Lock()
	l.line = last
	l.mu.Unlock()
	l.logger.LogAttrs(context.Background(), level, message, attrs...)
}

func take(record map[string]any, keys ...string) string {
	var found string
	for _, key := range keys {
		if text, ok := record[key].(string); ok {
			found = text
			delete(record, key)
		}
	}
	return found
}

func logLevel(name string) slog.Level {
	switch strings.ToLower(name) {
	case "trace", "debug":
		return slog.LevelDebug
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	default:
		return slog.LevelInfo
	}
}
