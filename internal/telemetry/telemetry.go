package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Options configure [Setup].
type Options struct {
	// Service names the process in logs and traces, such as "auth".
	Service string
	// Version is the program's version.
	Version string
	// Level is debug, info, warn or error; "" is info.
	Level string
	// Format is json or text; "" is json.
	Format string
	// Output receives the log; nil is standard error.
	Output io.Writer
	// OTLPEndpoint is the collector's OTLP/HTTP address; "" sends no traces.
	OTLPEndpoint string
	// SampleRatio is the share of traces begun here that are recorded, 0 to 1.
	SampleRatio float64
	// Registry collects the metrics; nil makes a new one. Services that share
	// a process share it.
	Registry *prometheus.Registry
}

// Telemetry is what a process tells about itself.
type Telemetry struct {
	// Logger redacts secrets; see [NewLogger].
	Logger *slog.Logger
	// Registry collects the metrics.
	Registry *prometheus.Registry
	// Tracer makes spans. It records nothing unless there is a collector.
	Tracer trace.TracerProvider

	shutdown func(context.Context) error
}

// Setup starts telemetry. It sets the process-wide propagator to W3C trace
// context and baggage, because instrumented libraries look there; everything
// else is in the result. The caller ends it with [Telemetry.Shutdown].
func Setup(ctx context.Context, o Options) (*Telemetry, error) {
	t := &Telemetry{Registry: o.Registry, Tracer: noop.NewTracerProvider()}
	output := o.Output
	if output == nil {
		output = os.Stderr
	}
	logger, err := NewLogger(output, o.Level, o.Format)
	if err != nil {
		return nil, err
	}
	t.Logger = logger
	if o.Service != "" {
		t.Logger = logger.With(slog.String("service", o.Service))
	}
	if t.Registry == nil {
		t.Registry = prometheus.NewRegistry()
	}
	if err := registerProcess(t.Registry); err != nil {
		return nil, fmt.Errorf("register process metrics: %w", err)
	}
	otel.SetTextMapPropagator(propagator())
	if o.OTLPEndpoint == "" {
		return t, nil
	}
	provider, err := exportTraces(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("export traces to %s: %w", o.OTLPEndpoint, err)
	}
	t.Tracer, t.shutdown = provider, provider.Shutdown
	return t, nil
}

// Shutdown sends the traces that wait and ends the exporter.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	if t.shutdown == nil {
		return nil
	}
	if err := t.shutdown(ctx); err != nil {
		return fmt.Errorf("end telemetry: %w", err)
	}
	return nil
}

// MetricsHandler serves the registry's metrics in Prometheus' format.
func MetricsHandler(reg *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{})
}

func propagator() propagation.TextMapPropagator {
	return propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
}

func exportTraces(ctx context.Context, o Options) (*sdktrace.TracerProvider, error) {
	endpoint, err := url.Parse(o.OTLPEndpoint)
	if err != nil || endpoint.Host == "" {
		return nil, errors.New("it is not a URL")
	}
	if strings.Trim(endpoint.Path, "/") == "" {
		endpoint.Path = "/v1/traces"
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint.String()))
	if err != nil {
		return nil, err
	}
	return sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(o.SampleRatio))),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "gatehouse-"+o.Service),
			attribute.String("service.version", o.Version),
		)),
	), nil
}

// registerProcess tolerates a registry that another service of the process set
// up before.
func registerProcess(registry *prometheus.Registry) error {
	for _, collector := range []prometheus.Collector{
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if _, err := register(registry, collector); err != nil {
			return err
		}
	}
	return nil
}

// register returns the collector that stands in the registry: c, or an equal
// one that was there before.
func register[C prometheus.Collector](registry *prometheus.Registry, c C) (C, error) {
	err := registry.Register(c)
	if already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if existing, ok := already.ExistingCollector.(C); ok {
			return existing, nil
		}
	}
	return c, err
}
