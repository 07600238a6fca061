// Package apikeys owns API keys: creating, listing and deleting one's own
// (/v1/api-keys), and the internal endpoint at which the gateway asks what a
// presented key allows.
//
// A key allows what its scopes say and its owner may still do at that moment. It
// makes no further keys.
// The key's form is in services/auth, caching is left to the gateway.
package apikeys

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/problem"
	"gatehouse.example/internal/rbac"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/rest"
)

// Store stores keys.
type Store interface {
	Finder
	CreateAPIKey(ctx context.Context, k auth.APIKey) error
	ListAPIKeys(ctx context.Context, ownerKind, ownerID, after string, limit int) ([]auth.APIKey, error)
}

// Ender removes keys and tells the gateways.
type Ender interface {
	DeleteAPIKey(ctx context.Context, ownerKind, ownerID, id string, now time.Time) error
}

// Options configures [New].
type Options struct {
	Store    Store
	Ender    Ender
	Accounts Accounts
	// Environment is part of each key.
	Environment string
	// Now is the clock. nil: time.Now.
	Now func() time.Time
}

// API is the endpoints of /v1/api-keys. It is safe for concurrent use.
type API struct{ Options }

// New returns the endpoints.
func New(o Options) *API {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &API{o}
}

// View is a key as it is answered. Key is in the answer to its creation alone.
type View struct {
	ID        string     `json:"id"`
	Key       string     `json:"key,omitempty"`
	Name      string     `json:"name"`
	OwnerKind string     `json:"owner_kind"`
	OwnerID   string     `json:"owner_id"`
	Scopes    []string   `json:"scopes"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at"`
}

func viewOf(k auth.APIKey) View {
	return View{ID: k.ID, Name: k.Name, OwnerKind: k.OwnerKind, OwnerID: k.OwnerID, Scopes: k.Scopes, CreatedAt: k.CreatedAt.UTC(), ExpiresAt: k.ExpiresAt}
}

// NewKey is the body of POST /v1/api-keys.
type NewKey struct {
	// Name is for the owner, 1 to 200 characters.
	Name string `json:"name"`
	// Scopes are what the key allows: at most what the caller may do.
	Scopes []string `json:"scopes"`
	// ExpiresAt ends the key; absent: it has no end.
	ExpiresAt *time.Time `json:"expires_at"`
}

// owner returns whom the caller's keys belong to.
func owner(r *http.Request) (kind, id string, err error) {
	switch p := identity.PrincipalFrom(r.Context()); p.Kind {
	case identity.KindUser:
		return auth.OwnerUser, p.Subject, nil
	case identity.KindClient:
		return auth.OwnerClient, p.Subject, nil
	}
	return "", "", problem.New(http.StatusForbidden, "owner_required", "only users and clients have API keys")
}

// Create answers POST /v1/api-keys.
func (a *API) Create(w http.ResponseWriter, r *http.Request) {
	view, err := a.create(w, r)
	if err != nil {
		rest.Fail(w, r, err)
		return
	}
	w.Header().Set("Location", "/v1/api-keys/"+view.ID)
	rest.Write(w, r, http.StatusCreated, view)
}

func (a *API) create(w http.ResponseWriter, r *http.Request) (View, error) {
	kind, ownerID, err := owner(r)
	if err != nil {
		return View{}, err
	}
	if err := a.mayCreate(r.Context(), identity.PrincipalFrom(r.Context())); err != nil {
		return View{}, err
	}
	var body NewKey
	if err := rest.Read(w, r, &body); err != nil {
		return View{}, err
	}
	if wrong := body.check(identity.PrincipalFrom(r.Context()), a.Now()); len(wrong) > 0 {
		return View{}, rest.Invalid(wrong...)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return View{}, err
	}
	key, err := auth.NewAPIKeyText(a.Environment, id.String())
	if err != nil {
		return View{}, err
	}
	k := auth.APIKey{
		ID: id.String(), Name: body.Name, OwnerKind: kind, OwnerID: ownerID, Scopes: body.Scopes,
		Hash: auth.HashAPIKey(key), CreatedAt: a.Now(), ExpiresAt: body.ExpiresAt,
	}
	if err := a.Store.CreateAPIKey(r.Context(), k); err != nil {
		return View{}, err
	}
	view := viewOf(k)
	view.Key = key
	return view, nil
}

// mayCreate refuses a caller whose new key would outlive what allowed it. A key
// that makes keys could not be taken back: not by its end, nor by deleting it.
// A suspended person's token lives on for a moment; a key made by it would wait
// for the day on which the person may act again.
func (a *API) mayCreate(ctx context.Context, caller identity.Principal) error {
	if caller.TokenID != "" {
		_, err := a.Store.APIKey(ctx, caller.TokenID)
		if err == nil {
			return problem.New(http.StatusForbidden, "token_required", "an API key cannot make API keys; use an access token")
		}
		if !errors.Is(err, auth.ErrNotFound) {
			return err
		}
	}
	if caller.Kind != identity.KindUser {
		return nil
	}
	account, err := a.Accounts.AccountByID(ctx, caller.Subject)
	ended := err == nil && account.Status != userapi.StatusActive
	if p, ok := errors.AsType[*problem.Problem](err); ended || (ok && p.Status == http.StatusNotFound) {
		return problem.New(http.StatusForbidden, "account_ended", "this account may not make API keys")
	}
	return err
}

func (b NewKey) check(caller identity.Principal, now time.Time) []problem.Violation {
	var wrong []problem.Violation
	if n := utf8.RuneCountInString(b.Name); strings.TrimSpace(b.Name) == "" || n > 200 || strings.ContainsRune(b.Name, 0) {
		wrong = append(wrong, problem.Violation{Pointer: "/name", Detail: "must have 1 to 200 characters"})
	}
	if len(b.Scopes) == 0 || len(b.Scopes) > 100 {
		wrong = append(wrong, problem.Violation{Pointer: "/scopes", Detail: "must have 1 to 100 entries"})
	}
	for i, s := range b.Scopes {
		if detail := scopeComplaint(caller, s); detail != "" {
			wrong = append(wrong, problem.Violation{Pointer: fmt.Sprintf("/scopes/%d", i), Detail: detail})
		}
	}
	if b.ExpiresAt != nil && !b.ExpiresAt.After(now) {
		wrong = append(wrong, problem.Violation{Pointer: "/expires_at", Detail: "must be in the future"})
	}
	return wrong
}

func scopeComplaint(caller identity.Principal, scope string) string {
	switch {
	case !auth.ValidScopeToken(scope):
		return "is not a scope (RFC 6749 §3.3)"
	case scope == identity.ScopeAdmin, scope == identity.ScopeImpersonate:
		return "cannot be given to an API key"
	case slices.Contains(rbac.All(), scope) && !rbac.Allowed(caller, scope), !caller.HasScope(scope):
		return "is more than you may do yourself"
	}
	return ""
}

// List answers GET /v1/api-keys with the caller's own keys.
func (a *API) List(w http.ResponseWriter, r *http.Request) {
	kind, ownerID, err := owner(r)
	if err != nil {
		rest.Fail(w, r, err)
		return
	}
	page, err := rest.ReadPage(r)
	if err != nil {
		rest.Fail(w, r, err)
		return
	}
	keys, err := a.Store.ListAPIKeys(r.Context(), kind, ownerID, page.After, page.Limit+1)
	if err != nil {
		rest.Fail(w, r, err)
		return
	}
	views := make([]View, len(keys))
	for i, k := range keys {
		views[i] = viewOf(k)
	}
	rest.Write(w, r, http.StatusOK, rest.NewList(views, page, func(v View) string { return v.ID }))
}

// Delete answers DELETE /v1/api-keys/{id} for one of the caller's own keys.
func (a *API) Delete(w http.ResponseWriter, r *http.Request) {
	kind, ownerID, err := owner(r)
	if err == nil {
		err = a.Ender.DeleteAPIKey(r.Context(), kind, ownerID, r.PathValue("id"), a.Now())
	}
	if err != nil {
		rest.Fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
