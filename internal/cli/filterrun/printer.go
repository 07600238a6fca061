package filterrun

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"gatehouse.example/gateway/exchange"
)

// decision is what a filter did in one phase.
type decision struct {
	method, uri, what string
	changes           []string
	took              time.Duration
	fuel              int64
}

func (d *decision) answered(ex *exchange.Exchange) {
	d.what = "answered " + strconv.Itoa(ex.Response.Status)
	d.changes = append(difference(nil, fieldsOf(&ex.Response.Header)), deferred(ex)...)
}

func (d *decision) response(r *exchange.Response, before []string, status int, err error) {
	switch {
	case err != nil:
		d.what = "response failed: " + err.Error()
	case r.Status != status:
		d.what = fmt.Sprintf("response %d, was %d", r.Status, status)
	default:
		d.what = "response " + strconv.Itoa(r.Status)
	}
	d.changes = difference(before, fieldsOf(&r.Header))
}

// hiddenFields are those whose values are printed nowhere.
var hiddenFields = []string{"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"}

// fieldsOf returns the fields, a text each, without credentials.
func fieldsOf(h *exchange.Header) []string {
	all := make([]string, 0, h.Len())
	for i := range h.Len() {
		f := h.At(i)
		if strings.EqualFold(f.Name, "Content-Length") {
			continue // the gateway counts by itself
		}
		if slices.Contains(hiddenFields, strings.ToLower(f.Name)) {
			f.Value = "…"
		}
		all = append(all, f.Name+": "+f.Value)
	}
	return all
}

// deferred returns what the filter will change in the response, whoever answers.
func deferred(ex *exchange.Exchange) []string {
	var changes []string
	for c := range ex.Deferred() {
		if slices.Contains(hiddenFields, strings.ToLower(c.Name)) {
			c.Value = "…"
		}
		sign := map[exchange.HeaderOp]string{exchange.HeaderRemove: "-"}[c.Op]
		if sign == "" {
			sign = "+"
		}
		changes = append(changes, "response "+sign+strings.TrimSuffix(c.Name+": "+c.Value, ": "))
	}
	return changes
}

// difference returns what is gone with a minus, and what is new with a plus.
func difference(before, after []string) []string {
	var changes []string
	for _, f := range before {
		if !slices.Contains(after, f) {
			changes = append(changes, "-"+f)
		}
	}
	for _, f := range after {
		if !slices.Contains(before, f) {
			changes = append(changes, "+"+f)
		}
	}
	return changes
}

// printer prints decisions, and is the slog.Handler that makes lines for people
// out of the gateway's log. It is safe for concurrent use.
type printer struct {
	module string

	mu  sync.Mutex
	out io.Writer
}

var _ slog.Handler = (*printer)(nil)

func (p *printer) line(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.out, format+"\n", args...)
}

func (p *printer) decision(d *decision) {
	text := fmt.Sprintf("%s %s  %s  %d fuel  %d µs", d.method, d.uri, d.what, d.fuel, d.took.Microseconds())
	for _, c := range d.changes {
		text += "\n    " + c
	}
	p.line("%s", text)
}

// The messages of the gateway's log that mean something here.
const (
	logRequest  = "request"
	logReloaded = "gateway configuration reloaded"
	logRefused  = "gateway configuration refused, the running one stays"
	logFailed   = "filter trapped"
)

// Enabled implements slog.Handler.
func (*printer) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

// Handle implements slog.Handler.
func (p *printer) Handle(_ context.Context, r slog.Record) error {
	var rest, failure, file string
	verb := "log " + strings.ToLower(r.Level.String())
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case attrStream:
			verb = "printed"
		case "error":
			failure = a.Value.String()
		case "file":
			file = a.Value.String()
		default:
			rest += " " + a.String()
		}
		return true
	})
	switch r.Message {
	case logRequest, logFailed:
		// The decision has said it.
	case logReloaded:
		p.line("reloaded %s", filepath.Base(p.module))
	case logRefused:
		p.line("not reloaded, the old one stays: %s", cleaned(failure, file))
	default:
		if failure != "" {
			rest += " " + failure
		}
		p.line("%s: %s%s", verb, r.Message, rest)
	}
	return nil
}

// WithAttrs implements slog.Handler: there is one filter.
func (p *printer) WithAttrs([]slog.Attr) slog.Handler { return p }

// WithGroup implements slog.Handler.
func (p *printer) WithGroup(string) slog.Handler { return p }

// talkative is a printer for what comes from the filter itself: all of it.
type talkative struct{ *printer }

// Enabled implements slog.Handler.
func (talkative) Enabled(context.Context, slog.Level) bool { return true }

// WithAttrs implements slog.Handler.
func (t talkative) WithAttrs([]slog.Attr) slog.Handler { return t }

// WithGroup implements slog.Handler.
func (t talkative) WithGroup(string) slog.Handler { return t }

// cleaned takes the name of a file that nobody has written, and the position in
// it, off an error.
func cleaned(text, file string) string {
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		if rest, ok := strings.CutPrefix(line, file+":"); ok && file != "" {
			rest = strings.TrimLeft(rest, "0123456789:")
			line = strings.TrimSpace(rest)
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}
