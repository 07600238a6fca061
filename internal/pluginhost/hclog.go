package pluginhost

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// libraryLog is what go-plugin itself logs. All of it goes to debug level:
// what matters to an operator is in the errors that it returns and in what the
// supervisor says about a plugin.
type libraryLog struct {
	logger *slog.Logger
	name   string
	args   []any
}

var _ hclog.Logger = (*libraryLog)(nil)

// Log implements [hclog.Logger].
func (l *libraryLog) Log(level hclog.Level, msg string, args ...any) {
	ctx := context.Background()
	if !l.logger.Enabled(ctx, slog.LevelDebug) {
		return
	}
	attrs := make([]any, 0, len(args)+2)
	for i, arg := range args {
		// hclog's values may be of its own formatting types.
		if i%2 == 1 {
			arg = fmt.Sprint(arg)
		}
		attrs = append(attrs, arg)
	}
	l.logger.DebugContext(ctx, msg, append(attrs, "library_level", level.String())...)
}

// Trace implements [hclog.Logger].
func (l *libraryLog) Trace(msg string, args ...any) { l.Log(hclog.Trace, msg, args...) }

// Debug implements [hclog.Logger].
func (l *libraryLog) Debug(msg string, args ...any) { l.Log(hclog.Debug, msg, args...) }

// Info implements [hclog.Logger].
func (l *libraryLog) Info(msg string, args ...any) { l.Log(hclog.Info, msg, args...) }

// Warn implements [hclog.Logger].
func (l *libraryLog) Warn(msg string, args ...any) { l.Log(hclog.Warn, msg, args...) }

// Error implements [hclog.Logger].
func (l *libraryLog) Error(msg string, args ...any) { l.Log(hclog.Error, msg, args...) }

// IsTrace implements [hclog.Logger].
func (l *libraryLog) IsTrace() bool { return false }

// IsDebug implements [hclog.Logger].
func (l *libraryLog) IsDebug() bool {
	return l.logger.Enabled(context.Background(), slog.LevelDebug)
}

// IsInfo implements [hclog.Logger].
func (l *libraryLog) IsInfo() bool { return true }

// IsWarn implements [hclog.Logger].
func (l *libraryLog) IsWarn() bool { return true }

// IsError implements [hclog.Logger].
func (l *libraryLog) IsError() bool { return true }

// ImpliedArgs implements [hclog.Logger].
func (l *libraryLog) ImpliedArgs() []any { return l.args }

// With implements [hclog.Logger].
func (l *libraryLog) With(args ...any) hclog.Logger {
	return &libraryLog{logger: l.logger.With(args...), name: l.name, args: append(l.args[:len(l.args):len(l.args)], args...)}
}

// Name implements [hclog.Logger].
func (l *libraryLog) Name() string { return l.name }

// Named implements [hclog.Logger].
func (l *libraryLog) Named(name string) hclog.Logger {
	return &libraryLog{logger: l.logger, name: name, args: l.args}
}

// ResetNamed implements [hclog.Logger].
func (l *libraryLog) ResetNamed(name string) hclog.Logger { return l.Named(name) }

// SetLevel implements [hclog.Logger]: the level is slog's.
func (l *libraryLog) SetLevel(hclog.Level) {}

// GetLevel implements [hclog.Logger].
func (l *libraryLog) GetLevel() hclog.Level { return hclog.Debug }

// StandardLogger implements [hclog.Logger].
func (l *libraryLog) StandardLogger(*hclog.StandardLoggerOptions) *log.Logger {
	return slog.NewLogLogger(l.logger.Handler(), slog.LevelDebug)
}

// StandardWriter implements [hclog.Logger].
func (l *libraryLog) StandardWriter(*hclog.StandardLoggerOptions) io.Writer {
	return l.StandardLogger(nil).Writer()
}
