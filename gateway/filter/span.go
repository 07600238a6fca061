package filter

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"gatehouse.example/gateway/exchange"
)

// The attributes of a filter's span.
const (
	attributeFilter    = "gatehouse.filter.name"
	attributePhase     = "gatehouse.filter.phase"     // request, response
	attributeOutcome   = "gatehouse.filter.outcome"   // next, answered, failed, skipped
	attributeFuel      = "gatehouse.filter.fuel"      // units
	attributeCrossings = "gatehouse.filter.crossings" // calls of the host
)

// request runs a filter's request phase, in a span where there is a tracer.
func (r *Run) request(ctx context.Context, f Filter, ex *exchange.Exchange) (Result, error) {
	if r.Tracer == nil {
		return f.HandleRequest(ctx, ex)
	}
	ctx, span := r.begin(ctx, f, "request")
	result, err := f.HandleRequest(ctx, ex)
	outcome := "next"
	if result.Answered {
		outcome = "answered"
	}
	end(span, f, outcome, result.Usage, err)
	return result, err
}

// response runs a filter's response phase, likewise.
func (r *Run) response(ctx context.Context, w waiting, ex *exchange.Exchange, failed bool) error {
	if r.Tracer == nil {
		_, err := w.phase.HandleResponse(ctx, ex, failed)
		return err
	}
	ctx, span := r.begin(ctx, w.filter, "response")
	usage, err := w.phase.HandleResponse(ctx, ex, failed)
	end(span, w.filter, "next", usage, err)
	return err
}

func (r *Run) begin(ctx context.Context, f Filter, phase string) (context.Context, trace.Span) {
	return r.Tracer.Start(ctx, "filter "+f.Name(), trace.WithAttributes(
		attribute.String(attributeFilter, f.Name()), attribute.String(attributePhase, phase)))
}

func end(span trace.Span, f Filter, outcome string, usage Usage, err error) {
	if err != nil {
		outcome = "failed"
		if f.OnError() == Skip {
			outcome = "skipped"
		}
		span.SetStatus(codes.Error, err.Error())
	}
	span.SetAttributes(attribute.String(attributeOutcome, outcome),
		attribute.Int64(attributeFuel, usage.Fuel), attribute.Int64(attributeCrossings, int64(usage.Crossings)))
	span.End()
}
