package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"gatehouse.example/gateway/exchange"
)

type metrics struct {
	requests       *prometheus.CounterVec
	duration       *prometheus.HistogramVec
	rejected       *prometheus.CounterVec
	filterFailures *prometheus.CounterVec
	inFlight       prometheus.Gauge
}

func newMetrics(registry prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_gateway_requests_total", Help: "Requests by route, method and status of the answer.",
		}, []string{"route", "method", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gatehouse_gateway_request_duration_seconds", Help: "Time from a request's head to the end of its answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route"}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_gateway_rejected_requests_total", Help: "Requests refused before routing, by reason.",
		}, []string{"reason"}),
		filterFailures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_gateway_filter_failures_total", Help: "Failures of filters, by filter and phase.",
		}, []string{"filter", "phase"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gatehouse_gateway_requests_in_flight", Help: "Requests under way.",
		}),
	}
	for _, c := range []prometheus.Collector{m.requests, m.duration, m.rejected, m.filterFailures, m.inFlight} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) reject(reason string) { m.rejected.WithLabelValues(reason).Inc() }

// observe tells metrics, trace and access log of an exchange that is over.
func (p *pipeline) observe(ex *exchange.Exchange, ps *passage, sentBytes int64) {
	took := time.Since(ex.Request.Received)
	route, status := ex.Route, ex.Response.Status
	if route == "" {
		route = "none"
	}
	if ex.Context().Err() != nil {
		status = statusClientClosed
	}
	p.metrics.requests.WithLabelValues(route, countedMethod(ps.method), strconv.Itoa(status)).Inc()
	p.metrics.duration.WithLabelValues(route).Observe(took.Seconds())
	ps.span.end(route, status)
	logger := p.app.options.Logger
	if !logger.Enabled(context.Background(), slog.LevelInfo) {
		return
	}
	attrs := [12]slog.Attr{
		slog.String("method", ps.method), slog.String("path", ps.path), slog.Int("status", status),
		slog.String("route", route), slog.Int64("bytes", sentBytes),
		slog.Float64("duration_ms", float64(took.Microseconds())/1000),
		slog.String("source", ex.Request.Source.Addr().String()), slog.String("request_id", ex.RequestID),
		slog.String("host", ex.Request.Host),
	}
	n := 9
	if ps.query != "" {
		attrs[n] = slog.String("query", redactQuery(ps.query, ex.QueryParameterHidden))
		n++
	}
	if ex.Principal.Authenticated() {
		attrs[n] = slog.String("subject", ex.Principal.Subject)
		n++
	}
	if id := ps.span.traceID(); id != "" {
		attrs[n] = slog.String("trace_id", id)
		n++
	}
	logger.LogAttrs(context.Background(), slog.LevelInfo, "request", attrs[:n]...)
}

// countedMethod bounds what a client can put into a label.
func countedMethod(method string) string {
	switch method {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		return method
	}
	return "OTHER"
}

// secretParameters are parts of the names of query parameters whose values do
// not belong into a log: codes, tokens, states and their kin.
var secretParameters = [...]string{
	"code", "token", "state", "secret", "password", "key", "nonce", "session", "assertion", "signature", "credential",
}

// redactQuery replaces the values of such parameters, and of those that hidden
// names.
func redactQuery(query string, hidden func(name string) bool) string {
	changed := false
	parts := strings.Split(query, "&")
	for i, part := range parts {
		name, _, ok := strings.Cut(part, "=")
		if !ok {
			continue
		}
		plain, err := url.QueryUnescape(name)
		if err != nil {
			plain = "token" // what cannot be read may be anything
		}
		if hidden(plain) || secretParameter(strings.ToLower(plain)) {
			parts[i] = name + "=[redacted]"
			changed = true
		}
	}
	if !changed {
		return query
	}
	return strings.Join(parts, "&")
}

func secretParameter(name string) bool {
	for _, secret := range &secretParameters {
		if strings.Contains(name, secret) {
			return true
		}
	}
	return false
}

// tracing continues or starts traces (W3C Trace Context). Without a provider
// the client's traceparent is passed on as it is.
type tracing struct {
	tracer trace.Tracer
	format propagation.TraceContext
}

func newTracing(provider trace.TracerProvider) *tracing {
	if provider == nil {
		return &tracing{}
	}
	return &tracing{tracer: provider.Tracer("gatehouse.example/gateway")}
}

// span is the exchange's span, or nothing.
type span struct{ trace.Span }

func (t *tracing) start(ex *exchange.Exchange, ps *passage) {
	if t.tracer == nil {
		return
	}
	carrier := headerCarrier{&ex.Request.Header}
	ctx := t.format.Extract(ex.Context(), carrier)
	ctx, s := t.tracer.Start(ctx, countedMethod(ex.Request.Method), trace.WithSpanKind(trace.SpanKindServer))
	if s.IsRecording() {
		s.SetAttributes(attribute.String("http.request.method", ex.Request.Method), attribute.String("url.path", ex.Request.Path))
	}
	t.format.Inject(ctx, carrier)
	ex.SetContext(ctx)
	ps.span = span{s}
	if s.IsRecording() {
		ps.run.Tracer = t.tracer
	}
}

func (s span) end(route string, status int) {
	if s.Span == nil {
		return
	}
	if s.IsRecording() {
		s.SetAttributes(attribute.String("http.route", route), attribute.Int("http.response.status_code", status))
		if status >= http.StatusInternalServerError {
			s.SetStatus(codes.Error, "")
		}
	}
	s.End()
}

func (s span) traceID() string {
	if s.Span == nil || !s.SpanContext().HasTraceID() {
		return ""
	}
	return s.SpanContext().TraceID().String()
}

// headerCarrier lets the propagator read and write our header.
type headerCarrier struct{ h *exchange.Header }

var _ propagation.TextMapCarrier = headerCarrier{}

func (c headerCarrier) Get(key string) string { return c.h.Get(key) }
func (c headerCarrier) Set(key, value string) { c.h.Set(key, value) }
func (c headerCarrier) Keys() []string {
	keys := make([]string, c.h.Len())
	for i := range keys {
		keys[i] = c.h.At(i).Name
	}
	return keys
}
