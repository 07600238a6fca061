// Package endpoint is the HTTP side of GraphQL: POST with a JSON body (GraphQL
// over HTTP), answered as JSON or as server-sent events (graphql-sse, distinct
// connections mode). It refuses what is no request of that kind with
// problem+json, and queries that are wrong or ask for too much with GraphQL
// errors, before anything of them is answered.
//
// Who calls was proven before (internal/identity); answering fields is left to
// package resolve, the bounds to package limit.
package endpoint

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"gatehouse.example/internal/problem"
	"gatehouse.example/services/graph"
	"gatehouse.example/services/graph/limit"
)

const (
	heartbeat    = 15 * time.Second
	writeTimeout = 15 * time.Second
	// maxAnswerBytes bounds the data of one answer: aliases repeat what was
	// asked for once.
	maxAnswerBytes = 8 << 20
)

// Options configures [New].
type Options struct {
	// Schema answers the operations. Required.
	Schema graphql.ExecutableSchema
	// Limits are what one operation may ask for.
	Limits limit.Limits
	// Timeout bounds the work for one query; subscriptions go on. Required.
	Timeout time.Duration
	// Prepare puts what the fields of one request share into its context; nil
	// puts nothing.
	Prepare func(ctx context.Context) context.Context
	// Heartbeat is the pause between two comments in an event stream that is
	// silent. Zero: 15 s.
	Heartbeat time.Duration
	// Logger is nil for slog.Default.
	Logger *slog.Logger
	// Registry takes the metrics; nil takes none.
	Registry *prometheus.Registry
}

// Endpoint is the handler. It is safe for concurrent use.
type Endpoint struct {
	Options
	exec     *executor.Executor
	schema   *ast.Schema
	outcomes *prometheus.CounterVec
	draining context.Context
	drain    context.CancelFunc
}

var _ http.Handler = (*Endpoint)(nil)

// New returns the endpoint.
func New(o Options) (*Endpoint, error) {
	if o.Schema == nil || o.Timeout <= 0 {
		return nil, errors.New("the endpoint needs a schema and a time limit")
	}
	if o.Prepare == nil {
		o.Prepare = func(ctx context.Context) context.Context { return ctx }
	}
	if o.Heartbeat <= 0 {
		o.Heartbeat = heartbeat
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	e := &Endpoint{Options: o, exec: executor.New(o.Schema), schema: o.Schema.Schema()}
	e.exec.SetQueryCache(prepared{})
	e.exec.SetErrorPresenter(e.present)
	e.exec.SetRecoverFunc(e.recovered)
	e.draining, e.drain = context.WithCancel(context.Background())
	e.outcomes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gatehouse_graph_operations_total",
		Help: "GraphQL operations: answered, answered in part, or refused.",
	}, []string{"type", "outcome"})
	if o.Registry != nil {
		if err := o.Registry.Register(e.outcomes); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// Drain ends all event streams, for a server that stops.
func (e *Endpoint) Drain() { e.drain() }

// LongLived reports whether the answer to r may go on as long as somebody
// listens.
func LongLived(r *http.Request) bool {
	return r.Method == http.MethodPost && wants(r.Header.Values("Accept"), mediaEvents)
}

// ServeHTTP answers one operation.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	in, media, err := read(w, r)
	if err != nil {
		e.outcomes.WithLabelValues("none", "refused").Inc()
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
		}
		problem.Write(w, r, err)
		return
	}
	ctx := e.Prepare(r.Context())
	operation, errs := e.prepare(ctx, in)
	if errs != nil {
		e.outcomes.WithLabelValues("none", "refused").Inc()
		e.refuse(w, media, errs)
		return
	}
	if operation.Operation.Operation == ast.Subscription {
		if media != mediaEvents && !wants(r.Header.Values("Accept"), mediaEvents) {
			e.outcomes.WithLabelValues("subscription", "refused").Inc()
			e.refuse(w, media, errNotAStream)
			return
		}
		media = mediaEvents
	}
	if media == mediaEvents {
		e.stream(ctx, w, operation)
		return
	}
	resp := e.once(ctx, operation)
	e.count(operation, resp)
	write(w, media, http.StatusOK, resp)
}

// once answers a query within its time. What is not answered by then is null.
func (e *Endpoint) once(ctx context.Context, operation *graphql.OperationContext) *graphql.Response {
	ctx, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	responses, ctx := e.exec.DispatchOperation(ctx, operation)
	resp := responses(ctx)
	switch {
	case resp == nil: // the time was up before anything began
		shown, _ := graph.ErrorOf(ctx, ctx.Err())
		return &graphql.Response{Errors: coded(shown.Code, gqlerror.Errorf("%s", shown.Message))}
	case len(resp.Data) > maxAnswerBytes:
		return &graphql.Response{Errors: coded(graph.CodeAnswerTooLarge,
			gqlerror.Errorf("the answer has more than %d MiB: ask for less of it at a time", maxAnswerBytes>>20))}
	}
	resp.Errors = bounded(resp.Errors)
	return resp
}

func (e *Endpoint) count(operation *graphql.OperationContext, resp *graphql.Response) {
	outcome := "answered"
	if len(resp.Errors) > 0 {
		outcome = "partial"
	}
	e.outcomes.WithLabelValues(string(operation.Operation.Operation), outcome).Inc()
}

func write(w http.ResponseWriter, media string, status int, resp *graphql.Response) {
	body := encode(resp)
	h := w.Header()
	h.Set("Content-Type", media+"; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // nobody is left to tell
}
