// Package app assembles the GraphQL service: the clients of the three services,
// the loaders of each request, the schema and its HTTP endpoint.
//
// It listens on nothing: the server around [App.Handler], with mutual TLS,
// telemetry, /healthz and /readyz, is internal/cli's. It has no database and no
// bus, and is ready as soon as it runs: while one of the services is not, it
// answers what the others know.
package app

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse.example/internal/api"
	"gatehouse.example/internal/config"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/problem"
	"gatehouse.example/services/graph/endpoint"
	"gatehouse.example/services/graph/generated"
	"gatehouse.example/services/graph/limit"
	"gatehouse.example/services/graph/load"
	"gatehouse.example/services/graph/resolve"
	"gatehouse.example/services/graph/upstream"
)

// path is where the service answers.
const path = "/graphql"

// Options configures [New].
type Options struct {
	Config config.Graph
	// Verifier checks internal tokens. Required.
	Verifier *identity.Verifier
	// Table says who may call what; nil is identity.DefaultTable.
	Table identity.Table
	// User, Auth and Email are the services; their addresses, and how to speak
	// to them. Caller, Timeout and Attempts are set here.
	User, Auth, Email api.Options
	// Logger is nil for slog.Default.
	Logger *slog.Logger
	// Registry takes the service's metrics; nil takes none.
	Registry *prometheus.Registry
}

// App is the GraphQL service. It is safe for concurrent use.
type App struct {
	handler  http.Handler
	endpoint *endpoint.Endpoint
}

// New assembles the service.
func New(o Options) (*App, error) {
	if o.Verifier == nil {
		return nil, errors.New("the graph service needs a verifier")
	}
	if o.Table == nil {
		o.Table = identity.DefaultTable()
	}
	services := upstream.New(client(o.User), client(o.Auth), client(o.Email))
	e, err := endpoint.New(endpoint.Options{
		Schema: generated.NewExecutableSchema(generated.Config{Resolvers: &resolve.Root{Stream: services}}),
		Limits: limit.Limits{MaxDepth: o.Config.MaxDepth, MaxCost: o.Config.MaxCost, MaxAliases: o.Config.MaxAliases},
		Prepare: func(ctx context.Context) context.Context {
			return load.With(ctx, load.New(services, identity.PrincipalFrom(ctx), load.Wait))
		},
		Timeout: o.Config.Timeout, Logger: o.Logger, Registry: o.Registry,
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle(path, identity.Authenticate(o.Verifier)(
		identity.Allow(o.Table, identity.OperationEdge, identity.RequireAuthenticated(passOn(e)))))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, r, problem.New(http.StatusNotFound, "not_found", "there is nothing at this path"))
	})
	return &App{handler: mux, endpoint: e}, nil
}

// client makes calls that carry the caller's token, and fails soon: what it
// cannot bring is null, and the rest is waiting.
func client(o api.Options) *api.Client {
	o.Token, o.Caller = nil, upstream.Caller
	o.Timeout, o.Attempts = upstream.Timeout, 2
	return api.New(o)
}

// passOn keeps what was verified of the request for the calls that it causes.
func passOn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(upstream.WithCaller(r.Context(), r.Header)))
	})
}

// Operations are the routes that the gateway leads here.
func (a *App) Operations() []string { return []string{http.MethodPost + " " + path} }

// Handler serves /graphql.
func (a *App) Handler() http.Handler { return a.handler }

// LongLived reports whether the answer to r may go on as long as somebody
// listens.
func (a *App) LongLived(r *http.Request) bool { return endpoint.LongLived(r) }

// Drain ends all subscriptions, so that the server can stop.
func (a *App) Drain() { a.endpoint.Drain() }

// Run waits for ctx: the service has no background work.
func (a *App) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Ready returns nil: the service answers what there is to answer.
func (a *App) Ready(context.Context) error { return nil }
