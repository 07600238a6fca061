package audit

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/identity"
)

const (
	// denialInterval is how often a refusal of the same operation to the same
	// actor is recorded at most: who tries a thousand times fills no log.
	denialInterval = time.Minute
	// denialsKnown bounds what is remembered for it.
	denialsKnown = 10_000
	// denialQueue bounds what waits to be recorded.
	denialQueue = 256
	// maxPathBytes is how much of a request's path is recorded.
	maxPathBytes = 200
)

// Denials records that somebody who is known was refused (403), beside the
// answers. Those that come while too many wait are counted in the logs alone.
// It is safe for concurrent use.
type Denials struct {
	recorder *Recorder
	logger   *slog.Logger
	now      func() time.Time
	queue    chan audit.Record

	mu    sync.Mutex
	known map[denial]time.Time
}

type denial struct{ actor, operation string }

// NewDenials returns Denials; Run does its work.
func NewDenials(r *Recorder, logger *slog.Logger, now func() time.Time) *Denials {
	return &Denials{recorder: r, logger: logger, now: now, queue: make(chan audit.Record, denialQueue), known: map[denial]time.Time{}}
}

// Watch returns next, whose refusals are noted.
func (d *Denials) Watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := &statusWriter{ResponseWriter: w}
		next.ServeHTTP(seen, r)
		if seen.status == http.StatusForbidden {
			d.note(r)
		}
	})
}

func (d *Denials) note(r *http.Request) {
	p := identity.PrincipalFrom(r.Context())
	operation := r.Method + " " + r.Pattern
	now := d.now()
	if !p.Authenticated() || !d.first(denial{string(p.Kind) + " " + p.Subject, operation}, now) {
		return
	}
	record, err := audit.New(r.Context(), "auth", "request.denied", "operation", operation, now)
	if err != nil {
		d.logger.WarnContext(r.Context(), "record a refusal", slog.Any("error", err))
		return
	}
	record.Outcome = audit.Denied
	path := r.URL.EscapedPath()
	select {
	case d.queue <- record.With("path", path[:min(len(path), maxPathBytes)]):
	default:
		d.logger.WarnContext(r.Context(), "too many refusals to record them all", slog.String("operation", operation))
	}
}

// first reports whether the denial has not been noted within the interval.
func (d *Denials) first(what denial, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if at, ok := d.known[what]; ok && now.Sub(at) < denialInterval {
		return false
	}
	if len(d.known) >= denialsKnown {
		clear(d.known)
	}
	d.known[what] = now
	return true
}

// Run records what was noted until ctx is done, and what is left then.
func (d *Denials) Run(ctx context.Context) error {
	for {
		select {
		case r := <-d.queue:
			d.record(ctx, r)
		case <-ctx.Done():
			for {
				select {
				case r := <-d.queue:
					d.record(ctx, r)
				default:
					return ctx.Err()
				}
			}
		}
	}
}

func (d *Denials) record(ctx context.Context, r audit.Record) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := d.recorder.Record(ctx, r); err != nil {
		d.logger.WarnContext(ctx, "record a refusal", slog.Any("error", err))
	}
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements [http.ResponseWriter].
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for [http.ResponseController].
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
