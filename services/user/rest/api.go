package rest

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/google/uuid"

	"gatehouse.example/internal/identity"
	"gatehouse.example/services/user"
)

// Finder reads users.
type Finder interface {
	ByID(ctx context.Context, id uuid.UUID) (user.User, error)
	List(ctx context.Context, q user.Query) ([]user.User, *user.Position, error)
}

// Changer changes users.
type Changer interface {
	Create(ctx context.Context, n user.New) (u user.User, replayed bool, err error)
	Update(ctx context.Context, id uuid.UUID, edit func(*user.User) error) (user.User, error)
	Delete(ctx context.Context, id uuid.UUID, check func(user.User) error) error
	Restore(ctx context.Context, id uuid.UUID, check func(user.User) error) (user.User, error)
}

// Accounts are the use cases behind the API; [user.Accounts] is the real one.
type Accounts interface {
	Finder
	Changer
}

var _ Accounts = (*user.Accounts)(nil)

// Options configures [New].
type Options struct {
	// Accounts, Preferences and Roles do the work.
	Accounts    Accounts
	Preferences Preferences
	Roles       *user.Roles
	// Version is written into the OpenAPI document; "" is "dev".
	Version string
	// Logger takes unexpected errors; nil is slog.Default.
	Logger *slog.Logger
}

// API is the handler of the public API. It is safe for concurrent use.
type API struct {
	http.Handler
	operations []string
}

// Operations returns the operations that the handler serves, each as "METHOD
// /path/{parameter}", sorted.
func (a *API) Operations() []string { return slices.Clone(a.operations) }

// api is what the handlers share.
type api struct {
	accounts    Accounts
	preferences Preferences
	roles       *user.Roles
	huma        huma.API
	logger      *slog.Logger
	schemas     huma.Registry
	bodies      map[string]*huma.Schema
	operations  []string
	// bodiless are the operations whose body may be absent.
	bodiless map[string]bool
}

// New returns the handler of the public API. It expects the principal in the
// request's context (identity.WithPrincipal); without one it answers 401, except
// for the OpenAPI document.
func New(o Options) (*API, error) {
	if o.Version == "" {
		o.Version = "dev"
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	mux := http.NewServeMux()
	a := &api{accounts: o.Accounts, preferences: o.Preferences, roles: o.Roles, logger: o.Logger, bodies: map[string]*huma.Schema{}, bodiless: map[string]bool{}}
	config := huma.DefaultConfig("Gatehouse users", o.Version)
	config.Info.Description = "People: accounts, profiles, preferences and roles. Errors are application/problem+json (RFC 9457): " +
		"a bad query parameter or header is 400 invalid_parameter, a bad body 400 malformed or 422 invalid."
	// huma's own document, docs and schema routes, and the $schema member that
	// the default hook adds to every answer, stay off.
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.CreateHooks = nil
	config.RejectUnknownQueryParameters = true
	config.Transformers = []huma.Transformer{problems}
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"bearer":  {Type: "http", Scheme: "bearer", BearerFormat: "JWT"},
		"api_key": {Type: "apiKey", In: "header", Name: "X-API-Key"},
	}
	config.Security = []map[string][]string{{"bearer": {}}, {"api_key": {}}}
	a.huma = humago.New(mux, config)
	a.huma.UseMiddleware(func(ctx huma.Context, next func(huma.Context)) { next(&statusContext{humaContext: ctx}) })
	a.schemas = a.huma.OpenAPI().Components.Schemas
	a.userOperations()
	a.meOperations()
	a.profileOperations()
	a.preferenceOperations()
	a.myPreferenceOperations()
	a.roleOperations()
	a.assignmentOperations()
	a.permissionOperations()
	a.authorizeOperations()
	a.documentRemoval()
	// huma documents its own error type, which [problems] never lets out.
	delete(a.schemas.Map(), "ErrorModel")
	delete(a.schemas.Map(), "ErrorDetail")

	document, err := json.Marshal(a.huma.OpenAPI())
	if err != nil {
		return nil, fmt.Errorf("encode the OpenAPI document: %w", err)
	}
	root := http.NewServeMux()
	root.HandleFunc("GET /v1/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "public, max-age=300")
		_, _ = w.Write(document)
	})
	root.Handle("/", identity.RequireAuthenticated(guard(mux, a.bodiless)))
	slices.Sort(a.operations)
	return &API{Handler: root, operations: append(a.operations, "GET /v1/openapi.json")}, nil
}

// register adds an operation whose errors become problems by [problemOf].
func register[I, O any](a *api, op huma.Operation, handle func(context.Context, *I) (*O, error)) {
	if op.Responses == nil {
		op.Responses = map[string]*huma.Response{}
	}
	a.operations = append(a.operations, op.Method+" "+op.Path)
	mayLack := op.RequestBody != nil && !op.RequestBody.Required
	a.bodiless[op.Method+" "+op.Path] = mayLack
	documentValidator(&op, reflect.TypeFor[O]())
	a.documentProblems(&op, reflect.TypeFor[I]())
	// The bodies are decoded by [api.decode], which is strict about case.
	op.SkipValidateBody = true
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, in)
		if err != nil {
			return nil, a.failure(ctx, err)
		}
		return out, nil
	})
	if op.RequestBody != nil {
		// huma takes every raw body for required.
		op.RequestBody.Required = !mayLack
		// huma adds the raw body's own media type, which [guard] refuses.
		delete(op.RequestBody.Content, "application/octet-stream")
	}
}

// body documents the JSON body of an operation as T, and as a merge patch too
// where patch is set.
func body[T any](a *api, patch bool) *huma.RequestBody {
	t := reflect.TypeFor[T]()
	schema := a.schemas.Schema(t, true, t.Name())
	content := map[string]*huma.MediaType{"application/json": {Schema: schema}}
	if patch {
		content[mergePatchType] = &huma.MediaType{Schema: schema}
	}
	a.bodies[t.Name()] = schema
	return &huma.RequestBody{Required: true, Content: content}
}

// optional makes a documented body one that may be absent.
func optional(b *huma.RequestBody) *huma.RequestBody {
	b.Required = false
	return b
}
