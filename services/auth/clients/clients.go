// Package clients owns the administrators' API for OAuth clients (/v1/clients):
// create, list, read, change and delete, and giving out another secret.
//
// Dynamic registration (RFC 7591) comes later. What a client may do is left to
// the OAuth endpoints.
package clients

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/jsonhttp"
	"gatehouse.example/internal/rbac"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/opaque"
	"gatehouse.example/services/auth/rest"
)

// Finder finds clients.
type Finder interface {
	// Client returns the client, or [auth.ErrNotFound].
	Client(ctx context.Context, id string) (auth.Client, error)
	// ListClients returns up to limit clients whose ids follow after.
	ListClients(ctx context.Context, after string, limit int) ([]auth.Client, error)
}

// Changer changes clients together with the record of the change.
type Changer interface {
	UpdateClient(ctx context.Context, c auth.Client, r audit.Record) error
	RotateClientSecret(ctx context.Context, n auth.SecretRotation, r audit.Record) (version int64, err error)
}

// Store stores clients.
type Store interface {
	Creator
	Finder
	Changer
}

// Ender ends what a client holds: all of it with the client, or its access
// tokens with a change that takes something from it.
type Ender interface {
	NarrowClient(ctx context.Context, c auth.Client, r audit.Record) error
	DeleteClient(ctx context.Context, id string, now time.Time) error
}

// Options configures [New].
type Options struct {
	Store Store
	Ender Ender
	// Keys tells API keys from access tokens.
	Keys rest.KeyFinder
	// Changed is called once what a client may do has changed, or the client
	// is gone. nil: nobody is told.
	Changed func(ctx context.Context, kind, id string)
	// Now is the clock. nil: time.Now.
	Now func() time.Time
}

// API is the endpoints. It is safe for concurrent use.
type API struct{ Options }

// New returns the endpoints.
func New(o Options) *API {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Changed == nil {
		o.Changed = func(context.Context, string, string) {}
	}
	return &API{o}
}

// View is a client as it is answered. Its secret is in the answer to its
// creation and its rotation alone.
type View struct {
	ClientID                string           `json:"client_id"`
	ClientSecret            string           `json:"client_secret,omitempty"`
	Name                    string           `json:"name"`
	Type                    auth.ClientType  `json:"type"`
	RedirectURIs            []string         `json:"redirect_uris"`
	PostLogoutRedirectURIs  []string         `json:"post_logout_redirect_uris"`
	GrantTypes              []auth.GrantType `json:"grant_types"`
	Scopes                  []string         `json:"scopes"`
	Resources               []string         `json:"resources"`
	TokenEndpointAuthMethod auth.AuthMethod  `json:"token_endpoint_auth_method"`
	FirstParty              bool             `json:"first_party"`
	Admin                   bool             `json:"admin"`
	CreatedAt               time.Time        `json:"created_at"`
	UpdatedAt               time.Time        `json:"updated_at"`
}

func viewOf(c auth.Client) View {
	return View{
		ClientID: c.ID, Name: c.Name, Type: c.Type, RedirectURIs: c.RedirectURIs, PostLogoutRedirectURIs: c.PostLogoutRedirectURIs,
		GrantTypes: c.GrantTypes, Scopes: c.Scopes, Resources: c.Resources, TokenEndpointAuthMethod: c.TokenEndpointAuthMethod,
		FirstParty: c.FirstParty, Admin: c.Admin, CreatedAt: c.CreatedAt.UTC(), UpdatedAt: c.UpdatedAt.UTC(),
	}
}

func need(r *http.Request, permissions ...string) error {
	p := identity.PrincipalFrom(r.Context())
	for _, permission := range permissions {
		if rbac.Allowed(p, permission) {
			return nil
		}
	}
	return rest.Lacks(permissions[0])
}

// Create answers POST /v1/clients.
func (a *API) Create(w http.ResponseWriter, r *http.Request) {
	var body Registration
	caller, err := a.secretCaller(r)
	if err == nil {
		err = need(r, rbac.ClientsWrite)
	}
	if err == nil {
		err = jsonhttp.Read(w, r, &body)
	}
	var view View
	if err == nil {
		view, err = Register(r.Context(), a.Store, caller, body, a.Now())
	}
	if err != nil {
		rest.Fail(w, r, err)
		return
	}
	w.Header().Set("Location", "/v1/clients/"+view.ClientID)
	rest.SetETag(w, 1)
	rest.Write(w, r, http.StatusCreated, view)
}

// Creator stores new clients.
type Creator interface {
	CreateClient(ctx context.Context, c auth.Client, r audit.Record) error
}

// Register stores a new client for the caller. The view holds its secret, which
// is shown to nobody again. What does not fit is a 422 problem.
func Register(ctx context.Context, store Creator, caller identity.Principal, body Registration, now time.Time) (View, error) {
	client, err := body.client(caller)
	if err != nil {
		return View{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return View{}, fmt.Errorf("make client id: %w", err)
	}
	client.ID, client.CreatedAt, client.UpdatedAt = id.String(), now, now
	view := viewOf(client)
	if client.Type == auth.ClientConfidential {
		view.ClientSecret = opaque.New()
		client.Secrets = []auth.ClientSecret{{ID: uuid.NewString(), Hash: opaque.Hash(view.ClientSecret)}}
	}
	record, err := audit.New(ctx, "auth", "client.created", "client", client.ID, now)
	if err != nil {
		return View{}, err
	}
	record = record.By(caller.Kind, caller.Subject).With("name", client.Name).With("scopes", auth.FormatScope(client.Scopes))
	if client.Admin {
		record = record.With("admin", "true")
	}
	if err := store.CreateClient(ctx, client, record); err != nil {
		return View{}, err
	}
	return view, nil
}

// List answers GET /v1/clients.
func (a *API) List(w http.ResponseWriter, r *http.Request) {
	page, err := rest.ReadPage(r)
	if err == nil {
		err = need(r, rbac.ClientsRead, rbac.ClientsWrite)
	}
	if err != nil {
		rest.Fail(w, r, err)
		return
	}
	found, err := a.Store.ListClients(r.Context(), page.After, page.Limit+1)
	if err != nil {
		rest.Fail(w, r, err)
		return
	}
	rest.Write(w, r, http.StatusOK, jsonhttp.NewList(found, page.Limit, viewOf, func(c auth.Client) string { return c.ID }))
}

// Read answers GET /v1/clients/{id}.
func (a *API) Read(w http.ResponseWriter, r *http.Request) {
	if err := need(r, rbac.ClientsRead, rbac.ClientsWrite); err != nil {
		rest.Fail(w, r, err)
		return
	}
	client, err := a.Store.Client(r.Context(), r.PathValue("id"))
	if err != nil {
		rest.Fail(w, r, err)
		return
	}
	rest.SetETag(w, client.Version)
	rest.Write(w, r, http.StatusOK, viewOf(client))
}
