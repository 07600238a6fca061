package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// logger hands the server's lines on to slog and keeps the last error for the
// one of Start.
type logger struct {
	slog *slog.Logger

	mu     sync.Mutex
	last   string
	failed bool // Fatalf was called
}

var _ server.Logger = (*logger)(nil)

func (l *logger) Noticef(format string, v ...any) { l.slog.Debug("nats: " + fmt.Sprintf(format, v...)) }
func (l *logger) Debugf(format string, v ...any)  { l.slog.Debug("nats: " + fmt.Sprintf(format, v...)) }
func (l *logger) Tracef(format string, v ...any)  { l.slog.Debug("nats: " + fmt.Sprintf(format, v...)) }
func (l *logger) Warnf(format string, v ...any)   { l.slog.Warn("nats: " + fmt.Sprintf(format, v...)) }
func (l *logger) Errorf(format string, v ...any)  { l.fail(fmt.Sprintf(format, v...)) }

// Fatalf does not end the process, unlike the server's own logger.
func (l *logger) Fatalf(format string, v ...any) {
	l.fail(fmt.Sprintf(format, v...))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = true
}

// awaitReady waits for the server until it is ready or gave up, which it only
// tells its logger.
func (l *logger) awaitReady(ns *server.Server) bool {
	for end := time.Now().Add(startTimeout); time.Now().Before(end); {
		if ns.ReadyForConnections(100 * time.Millisecond) {
			return ns.JetStreamEnabled()
		}
		l.mu.Lock()
		failed := l.failed
		l.mu.Unlock()
		if failed {
			return false
		}
	}
	return false
}

func (l *logger) fail(text string) {
	l.mu.Lock()
	l.last = text
	l.mu.Unlock()
	l.slog.Warn("nats: " + text)
}

func (l *logger) cause() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == "" {
		return errors.New("not ready in time")
	}
	return errors.New(l.last)
}
