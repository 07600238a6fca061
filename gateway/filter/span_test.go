package filter_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/filter"
)

// fake is a filter that does as it is told.
type fake struct {
	name     string
	answers  bool
	responds bool
	fails    error
	onError  filter.OnError
}

func (f fake) Name() string                { return f.name }
func (f fake) OnError() filter.OnError     { return f.onError }
func (f fake) Close(context.Context) error { return nil }
func (f fake) Release()                    {}

func (f fake) HandleRequest(context.Context, *exchange.Exchange) (filter.Result, error) {
	r := filter.Result{Answered: f.answers, Usage: filter.Usage{Fuel: 7, Crossings: 2}}
	if f.responds {
		r.Response = f
	}
	return r, f.fails
}

func (f fake) HandleResponse(context.Context, *exchange.Exchange, bool) (filter.Usage, error) {
	return filter.Usage{Fuel: 9}, nil
}

// A sampled request has a span for each call of a filter, with what became of
// it; the next one on the same Run has none.
func TestSpans(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)).Tracer("test")
	chain := filter.Chain{
		fake{name: "late", responds: true},
		fake{name: "broken", fails: errors.New("trap"), onError: filter.Skip},
		fake{name: "last", answers: true},
		fake{name: "never"},
	}
	run := filter.Run{Tracer: tracer}
	for range 2 {
		answered, err := chain.HandleRequest(context.Background(), &exchange.Exchange{}, &run, func(error) {})
		if err != nil || !answered {
			t.Fatal(answered, err)
		}
		if err := run.HandleResponse(context.Background(), &exchange.Exchange{}, false, nil); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, s := range recorder.Ended() {
		line := s.Name()
		for _, a := range s.Attributes() {
			line += " " + a.Value.String()
		}
		if s.Status().Code == codes.Error {
			line += " " + s.Status().Description
		}
		got = append(got, line)
	}
	want := []string{
		"filter late late request next 7 2", "filter broken broken request skipped 7 2 trap",
		"filter last last request answered 7 2", "filter late late response next 9 0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
