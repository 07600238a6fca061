package problem

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
)

// ContentType is the media type of a problem (RFC 9457 §6.1).
const ContentType = "application/problem+json"

// Write answers r with err. An err that is or wraps a *[Problem] is sent as it
// is. Every other error is logged with [slog.Default] and answered by 500, or
// by 503 if [Unavailable], without its text, which was not written for
// strangers.
func Write(w http.ResponseWriter, r *http.Request, err error) {
	p, ok := errors.AsType[*Problem](err)
	if !ok {
		logUnexpected(r, err)
		p = New(http.StatusInternalServerError, "", "")
		if Unavailable(err) {
			p = New(http.StatusServiceUnavailable, "unavailable", "try again in a moment")
		}
	}
	// http.ResponseWriter panics on a status it cannot send.
	if p.Status < 400 || p.Status > 599 {
		c := *p
		c.Status = http.StatusInternalServerError
		p = &c
	}
	body := JSON(p)
	h := w.Header()
	// A handler may have prepared another answer before it met the error.
	h.Del("Content-Encoding")
	h.Del("ETag")
	h.Del("Last-Modified")
	h.Set("Content-Type", ContentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if p.Status == http.StatusServiceUnavailable && h.Get("Retry-After") == "" {
		h.Set("Retry-After", "1")
	}
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // nobody is left to tell
	}
}

func logUnexpected(r *http.Request, err error) {
	ctx := r.Context()
	level := slog.LevelError
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		level = slog.LevelDebug // the client went away; that is no fault of ours
	}
	slog.Default().LogAttrs(ctx, level, "request ended in an unexpected error",
		slog.String("method", r.Method),
		slog.String("path", r.URL.Path),
		slog.Any("error", err))
}
