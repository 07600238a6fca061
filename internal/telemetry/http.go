package telemetry

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"gatehouse.example/internal/problem"
)

// httpMetrics are the metrics of the services' HTTP servers. No label takes a
// value that a client makes up.
type httpMetrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

func newHTTPMetrics(registry *prometheus.Registry) httpMetrics {
	m := httpMetrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_http_requests_total",
			Help: "Requests that a service answered.",
		}, []string{"service", "method", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "gatehouse_http_request_duration_seconds",
			Help:    "Time until a service had answered a request.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"service", "method"}),
	}
	if registry == nil {
		return m
	}
	// A name that is taken by something else leaves the metric uncounted, which
	// is no reason not to serve.
	if requests, err := register(registry, m.requests); err == nil {
		m.requests = requests
	}
	if duration, err := register(registry, m.duration); err == nil {
		m.duration = duration
	}
	return m
}

// Middleware returns what every HTTP server of a service is wrapped in: the
// request's id (X-Request-Id, taken over or made), a span that continues the
// caller's trace, metrics, a line in the log, and an answer when the handler
// panics. t may be shared by several services.
func Middleware(service string, t *Telemetry) func(http.Handler) http.Handler {
	m := &middleware{service: service, logger: t.Logger, metrics: newHTTPMetrics(t.Registry), propagator: propagator()}
	if m.logger == nil {
		m.logger = slog.Default()
	}
	provider := t.Tracer
	if provider == nil {
		provider = noop.NewTracerProvider()
	}
	m.tracer = provider.Tracer("gatehouse.example/internal/telemetry")
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.serve(w, r, next) })
	}
}

type middleware struct {
	service    string
	logger     *slog.Logger
	metrics    httpMetrics
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator
}

func (m *middleware) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	start := time.Now()
	id := r.Header.Get(RequestIDHeader)
	if !validRequestID(id) {
		id = newRequestID()
	}
	ctx := m.propagator.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	method := knownMethod(r.Method)
	ctx, span := m.tracer.Start(ctx, method, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("http.request.method", method),
		attribute.String("url.path", r.URL.Path),
		attribute.String("gatehouse.request_id", id),
	))
	// The gateway replaces what a client sent.
	if ip := net.ParseIP(strings.TrimSpace(r.Header.Get("X-Forwarded-For"))); ip != nil {
		ctx = WithClientAddress(ctx, ip.String())
	}
	r = r.WithContext(WithRequestID(ctx, id))
	w.Header().Set(RequestIDHeader, id)
	answer := &recorder{ResponseWriter: w}

	defer func() {
		panicked := recover()
		abort := m.answerPanic(answer, r, panicked)
		status := answer.code()
		elapsed := time.Since(start)
		m.metrics.requests.WithLabelValues(m.service, method, strconv.Itoa(status)).Inc()
		m.metrics.duration.WithLabelValues(m.service, method).Observe(elapsed.Seconds())
		if r.Pattern != "" {
			span.SetName(method + " " + r.Pattern)
			span.SetAttributes(attribute.String("http.route", r.Pattern))
		}
		span.SetAttributes(attribute.Int("http.response.status_code", status))
		if status >= 500 {
			span.SetStatus(codes.Error, http.StatusText(status))
		}
		span.End()
		m.log(r, answer, status, elapsed)
		if abort {
			panic(http.ErrAbortHandler)
		}
	}()
	next.ServeHTTP(answer, r)
}

// answerPanic reports whether the connection must be cut: the client has a part
// of an answer, and must not take it for the whole.
func (m *middleware) answerPanic(answer *recorder, r *http.Request, panicked any) (abort bool) {
	switch {
	case panicked == nil:
		return false
	case panicked == http.ErrAbortHandler: //nolint:errorlint // net/http compares it the same way
		return true
	}
	m.logger.ErrorContext(r.Context(), "handler panicked",
		slog.String("panic", fmt.Sprint(panicked)), slog.String("stack", string(debug.Stack())))
	if answer.status != 0 {
		return true
	}
	problem.Write(answer, r, problem.New(http.StatusInternalServerError, "", ""))
	return false
}

func (m *middleware) log(r *http.Request, answer *recorder, status int, elapsed time.Duration) {
	level := slog.LevelInfo
	if r.URL.Path == "/healthz" || r.URL.Path == "/readyz" {
		level = slog.LevelDebug // asked every second
	}
	m.logger.LogAttrs(r.Context(), level, "request",
		slog.String("method", r.Method), slog.String("path", r.URL.Path),
		slog.Int("status", status), slog.Int64("bytes", answer.bytes),
		slog.Float64("duration_ms", float64(elapsed.Microseconds())/1000))
}

// knownMethod keeps clients from making up label values (RFC 9110 §9.3, RFC
// 5789).
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return method
	default:
		return "OTHER"
	}
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

var (
	_ http.ResponseWriter = (*recorder)(nil)
	_ http.Flusher        = (*recorder)(nil)
)

func (r *recorder) WriteHeader(status int) {
	// 1xx answers but 101 come before the one that counts.
	if r.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(p)
	r.bytes += int64(n)
	return n, err
}

// Flush sends what was written; server-sent events need it.
func (r *recorder) Flush() {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	_ = http.NewResponseController(r.ResponseWriter).Flush() // best effort, as http.Flusher is
}

// Unwrap lets http.ResponseController reach the server's writer.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// code is the status that net/http sends.
func (r *recorder) code() int {
	if r.status == 0 {
		return http.StatusOK
	}
	return r.status
}
