package telemetry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"go.opentelemetry.io/otel/trace"
)

// NewLogger returns a logger that writes to output at level (debug, info, warn
// or error; "" is info) and above, as json (also "") or as text for people. It
// adds the request's and the trace's id from the context, and it writes no
// secret: attributes whose name says that they hold one, and whatever looks
// like a credential in other texts, become "[redacted]".
func NewLogger(output io.Writer, level, format string) (*slog.Logger, error) {
	options := slog.HandlerOptions{ReplaceAttr: redactAttr}
	if level != "" {
		var l slog.Level
		switch level {
		case "debug", "info", "warn", "error":
			_ = l.UnmarshalText([]byte(level)) // knows these four
		default:
			return nil, fmt.Errorf("log level %q is not debug, info, warn or error", level)
		}
		options.Level = l
	}
	switch format {
	case "", "json":
		return slog.New(contextHandler{slog.NewJSONHandler(output, &options)}), nil
	case "text":
		return slog.New(contextHandler{newTextHandler(output, options)}), nil
	default:
		return nil, fmt.Errorf("log format %q is not json or text", format)
	}
}

// contextHandler adds what the context knows about the request.
type contextHandler struct{ slog.Handler }

func (h contextHandler) Handle(ctx context.Context, r slog.Record) error {
	id, span := RequestID(ctx), trace.SpanContextFromContext(ctx)
	if id != "" || span.IsValid() {
		r = r.Clone()
		if id != "" {
			r.AddAttrs(slog.String("request_id", id))
		}
		if span.IsValid() {
			r.AddAttrs(slog.String("trace_id", span.TraceID().String()))
		}
	}
	return h.Handler.Handle(ctx, r)
}

func (h contextHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return contextHandler{h.Handler.WithAttrs(attrs)}
}

func (h contextHandler) WithGroup(name string) slog.Handler {
	return contextHandler{h.Handler.WithGroup(name)}
}

// textHandler writes "15:04:05.000 INFO  message key=value" for people. The
// attributes are slog.TextHandler's work: it writes them into line.
type textHandler struct {
	attrs slog.Handler
	line  *lockedLine
}

type lockedLine struct {
	mu     sync.Mutex
	buf    bytes.Buffer
	output io.Writer
}

func newTextHandler(output io.Writer, options slog.HandlerOptions) slog.Handler {
	line := &lockedLine{output: output}
	redact := options.ReplaceAttr
	options.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
			return slog.Attr{} // stands in front
		}
		return redact(groups, a)
	}
	return textHandler{attrs: slog.NewTextHandler(&line.buf, &options), line: line}
}

func (h textHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.attrs.Enabled(ctx, level)
}

func (h textHandler) Handle(ctx context.Context, r slog.Record) error {
	h.line.mu.Lock()
	defer h.line.mu.Unlock()
	buf := &h.line.buf
	buf.Reset()
	fmt.Fprintf(buf, "%s %-5s %s ", r.Time.Format("15:04:05.000"), r.Level, oneLine(redactText(r.Message)))
	if err := h.attrs.Handle(ctx, r); err != nil {
		return err
	}
	_, err := h.line.output.Write(buf.Bytes())
	return err
}

func (h textHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return textHandler{attrs: h.attrs.WithAttrs(attrs), line: h.line}
}

func (h textHandler) WithGroup(name string) slog.Handler {
	return textHandler{attrs: h.attrs.WithGroup(name), line: h.line}
}

// oneLine keeps a message from forging further lines.
func oneLine(text string) string {
	return string(bytes.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, []byte(text)))
}
