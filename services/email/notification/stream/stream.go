package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"

	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/problem"
)

const (
	// batch is how many notifications are read at once.
	batch = 100
	// farewellTimeout is how long the end of a stream may take.
	farewellTimeout = 300 * time.Millisecond
	// reconnectMillis is what readers are asked to wait before they come back.
	reconnectMillis = 2000
)

// stream is one reader.
type stream struct {
	hub       *Hub
	request   *http.Request
	principal identity.Principal
	began     time.Time
	woken     chan struct{} // holds one: there may be something new
	end       context.CancelCauseFunc
	cursor    string // the newest id that the reader has
	unread    int    // what the reader was told last; -1 before

	out *http.ResponseController
	w   http.ResponseWriter
	mu  sync.Mutex // guards the deadline of writing
	// over says that no deadline may be set any more but the last.
	over bool
}

// ServeHTTP streams to the person that the request's context names until it
// goes, its credential is revoked or expires, the stream is half an hour old, or the
// process stops. The person is authenticated already.
//
// # Errors
//
// 400 for a Last-Event-ID that is none, 401 for a credential that was revoked,
// 429 for the eleventh stream of a person, 503 until the hub runs.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, stop := context.WithTimeout(r.Context(), h.o.Lifetime)
	defer stop()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	s := &stream{
		hub: h, request: r, principal: identity.PrincipalFrom(r.Context()), began: time.Now(),
		woken: make(chan struct{}, 1), end: end, unread: -1,
		out: http.NewResponseController(w), w: w,
	}
	if err := h.enter(s); err != nil {
		problem.Write(w, r, err)
		return
	}
	defer h.leave(s)
	if err := s.begin(ctx); err != nil {
		problem.Write(w, r, err)
		return
	}
	if r.Method == http.MethodHead {
		return
	}
	s.run(ctx)
	h.o.Logger.LogAttrs(r.Context(), slog.LevelDebug, "stream of notifications ended",
		slog.String("user", s.principal.Subject), slog.Any("cause", context.Cause(ctx)), slog.Duration("after", time.Since(s.began)))
}

// enter counts the stream in, unless there is a reason not to.
func (h *Hub) enter(s *stream) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	of := h.streams[s.principal.Subject]
	switch {
	case h.revocations == nil || h.draining:
		return problem.New(http.StatusServiceUnavailable, "unavailable", "try again in a moment")
	case revoked(h.revocations, s.principal):
		s.w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		return problem.New(http.StatusUnauthorized, "invalid_token", "The credential is not valid.")
	case len(of) >= maxPerUser:
		s.w.Header().Set("Retry-After", "60")
		return problem.Newf(http.StatusTooManyRequests, "too_many_streams", "there are %d streams of yours already", maxPerUser)
	case of == nil:
		of = map[*stream]struct{}{}
		h.streams[s.principal.Subject] = of
	}
	of[s] = struct{}{}
	h.count++
	return nil
}

func (h *Hub) leave(s *stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	of := h.streams[s.principal.Subject]
	delete(of, s)
	if len(of) == 0 {
		delete(h.streams, s.principal.Subject)
	}
	if h.count--; h.count == 0 {
		h.idle.Broadcast()
	}
}

// begin finds out where the reader stands. The stream is counted in by then, so
// that nothing that comes after is missed.
func (s *stream) begin(ctx context.Context) error {
	given := s.request.Header.Values("Last-Event-ID")
	switch {
	case len(given) == 1 && len(given[0]) == 36 && uuid.Validate(given[0]) == nil:
		s.cursor = given[0]
	case len(given) == 0 || len(given) == 1 && given[0] == "":
		newest, err := s.hub.o.Feed.Newest(ctx, s.principal.Subject)
		if err != nil {
			return err
		}
		s.cursor = newest
	default:
		return problem.New(http.StatusBadRequest, "invalid_parameter", "Last-Event-ID is not the id of an event").
			With(problem.Violation{In: "header", Name: "Last-Event-ID", Detail: "want the id of an event"})
	}
	header := s.w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Add("Vary", "Accept-Language")
	if s.request.ProtoMajor == 1 {
		// The deadlines of writing belong to the connection: no other request
		// may inherit them.
		header.Set("Connection", "close")
	}
	return nil
}

func (s *stream) run(ctx context.Context) {
	// A reader that takes nothing must not hold up the end.
	defer context.AfterFunc(ctx, s.farewell)()
	defer s.farewell()
	if err := s.write(ctx, fmt.Appendf(nil, "retry: %d\n\n", reconnectMillis)); err != nil {
		return
	}
	if err := s.catchUp(ctx); err != nil {
		return
	}
	for {
		// Not all at the same time.
		pause := s.hub.o.Heartbeat - rand.N(s.hub.o.Heartbeat/5+1)
		select {
		case <-ctx.Done():
			return
		case <-s.woken:
		case <-time.After(pause):
			if err := s.write(ctx, []byte(": still here\n\n")); err != nil {
				return
			}
		}
		if err := s.catchUp(ctx); err != nil {
			return
		}
	}
}

// errGone says that nobody reads any more.
var errGone = errors.New("the reader is gone")

// catchUp writes what the database has and the reader has not. The only error
// is errGone: what cannot be read now is read later.
func (s *stream) catchUp(ctx context.Context) error {
	feed, user := s.hub.o.Feed, s.principal.Subject
	for full := true; full; {
		found, err := feed.Since(ctx, user, s.cursor, batch)
		if err != nil {
			s.complain(ctx, err)
			return nil
		}
		full = len(found) == batch
		var text []byte
		for _, n := range found {
			body, err := s.hub.o.Represent(s.request, n)
			if err != nil {
				s.complain(ctx, err)
				return nil
			}
			text = appendEvent(text, n.ID, "notification", body)
			s.cursor = n.ID
		}
		if err := s.write(ctx, text); err != nil {
			return err
		}
	}
	unread, err := feed.Unread(ctx, user)
	if err != nil {
		s.complain(ctx, err)
		return nil
	}
	if unread == s.unread {
		return nil
	}
	s.unread = unread
	// It carries the cursor, so that a reader that got no notification yet can
	// resume too.
	return s.write(ctx, appendEvent(nil, s.cursor, "unread", fmt.Appendf(nil, `{"unread":%d}`, unread)))
}

func (s *stream) complain(ctx context.Context, err error) {
	if ctx.Err() == nil {
		s.hub.o.Logger.WarnContext(ctx, "stream of notifications, trying again later", "user", s.principal.Subject, "error", err)
	}
}

// appendEvent appends one event; data is one line.
func appendEvent(text []byte, id, name string, data []byte) []byte {
	text = fmt.Appendf(text, "id: %s\nevent: %s\ndata: ", id, name)
	text = append(text, bytes.ReplaceAll(data, []byte("\n"), []byte(" "))...)
	return append(text, "\n\n"...)
}

// write sends the text at once, or returns errGone.
func (s *stream) write(ctx context.Context, text []byte) error {
	if len(text) == 0 {
		return nil
	}
	s.deadline(time.Now().Add(s.hub.o.WriteTimeout))
	// HTTP/2 ends a stream at its deadline even if nothing is being written.
	defer s.deadline(time.Time{})
	if ctx.Err() != nil {
		return errGone
	}
	if _, err := s.w.Write(text); err != nil {
		return errGone
	}
	if err := s.out.Flush(); err != nil {
		return errGone
	}
	return nil
}

// deadline sets that of writing, unless the stream is over.
func (s *stream) deadline(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		_ = s.out.SetWriteDeadline(t) // best effort: not every writer has one
	}
}

// farewell gives what is being written a last moment.
func (s *stream) farewell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	s.over = true
	_ = s.out.SetWriteDeadline(time.Now().Add(farewellTimeout)) // best effort
}
