package refusals

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/identity"
)

const (
	// Action is that of the records, whose outcome is [audit.Denied].
	Action = "request.denied"

	// interval is how often a refusal of the same operation to the same actor
	// is recorded at most: who tries a thousand times fills no log.
	interval = time.Minute
	// maxKnown bounds what is remembered for it.
	maxKnown = 10_000
	// maxQueued bounds what waits to be recorded.
	maxQueued = 256
	// maxPathBytes is how much of a request's path is recorded.
	maxPathBytes = 200
	// recordTimeout bounds how long one record may take.
	recordTimeout = 5 * time.Second
)

// Recorder keeps a record; [audit.Log] is one.
type Recorder interface {
	Record(ctx context.Context, r audit.Record) error
}

// Options configures [New]. Service and Recorder are required.
type Options struct {
	// Service is who refuses: "auth", "user", "email".
	Service  string
	Recorder Recorder
	// Conflicts are the codes of problems that are a refusal though their
	// status is 409.
	Conflicts []string
	// Logger is nil for slog.Default.
	Logger *slog.Logger
	// Now is nil for time.Now.
	Now func() time.Time
}

// Watcher records that somebody who is known was refused, beside the answers.
// What comes while too many wait is in the logs alone. It is safe for concurrent
// use.
type Watcher struct {
	o     Options
	queue chan audit.Record

	mu    sync.Mutex
	known map[refusal]time.Time
}

// refusal is what is recorded once in a while. The code is part of it, so that
// a harmless refusal does not hide what comes right behind it.
type refusal struct{ actor, operation, code string }

// New returns a watcher; [Watcher.Run] does its work.
func New(o Options) *Watcher {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Watcher{o: o, queue: make(chan audit.Record, maxQueued), known: map[refusal]time.Time{}}
}

// Watch returns next, whose refusals (403, and 409 with one of the codes) are
// noted. The request's context must carry the principal already. The operation
// is the pattern of the innermost [http.ServeMux] that got the request as it is.
func (d *Watcher) Watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := &answer{ResponseWriter: w}
		next.ServeHTTP(seen, r)
		if !seen.refuses() {
			return
		}
		code := seen.code()
		if seen.status == http.StatusForbidden || slices.Contains(d.o.Conflicts, code) {
			d.note(r, code)
		}
	})
}

func (d *Watcher) note(r *http.Request, code string) {
	p := identity.PrincipalFrom(r.Context())
	// A pattern may begin with a method of its own.
	pattern := r.Pattern[strings.LastIndexByte(r.Pattern, ' ')+1:]
	operation := r.Method + " " + pattern
	now := d.o.Now()
	if !p.Authenticated() || !d.first(refusal{string(p.Kind) + " " + p.Subject, operation, code}, now) {
		return
	}
	record, err := audit.New(r.Context(), d.o.Service, Action, "operation", operation, now)
	if err != nil {
		d.o.Logger.WarnContext(r.Context(), "record a refusal", slog.Any("error", err))
		return
	}
	record.Outcome = audit.Denied
	path := r.URL.EscapedPath()
	record = record.With("path", path[:min(len(path), maxPathBytes)])
	if code != "" {
		record = record.With("code", code)
	}
	select {
	case d.queue <- record:
	default:
		d.o.Logger.WarnContext(r.Context(), "too many refusals to record them all", slog.String("operation", operation))
	}
}

// first reports whether the refusal has not been noted within the interval.
func (d *Watcher) first(what refusal, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if at, ok := d.known[what]; ok && now.Sub(at) < interval {
		return false
	}
	if len(d.known) >= maxKnown {
		clear(d.known)
	}
	d.known[what] = now
	return true
}

// Run records what was noted until ctx is done, and what is left then. It
// returns the error of ctx.
func (d *Watcher) Run(ctx context.Context) error {
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

func (d *Watcher) record(ctx context.Context, r audit.Record) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	if err := d.o.Recorder.Record(ctx, r); err != nil {
		d.o.Logger.WarnContext(ctx, "record a refusal", slog.Any("error", err))
	}
}
