// Package apikeys owns API keys (/v1/api-keys): creating, listing, renaming,
// rotating and revoking them, and the internal endpoint at which the gateway
// asks what a presented key allows.
//
// A key allows what its scopes say and its owner may still do at that moment. It
// makes no further keys and no new secret of its own: whoever finds one could
// not be shut out again. Nor does anybody but the owner get to see a secret.
// The key's form is in services/auth, caching is left to the gateway.
package apikeys

import (
	"context"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/jsonhttp"
	"gatehouse.example/internal/problem"
	"gatehouse.example/internal/rbac"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/rest"
)

// Store stores keys.
type Store interface {
	Finder
	CreateAPIKey(ctx context.Context, k auth.APIKey, r audit.Record) error
	RenameAPIKey(ctx context.Context, k auth.APIKey, r audit.Record) error
	ListAPIKeys(ctx context.Context, ownerKind, ownerID, after string, limit int) ([]auth.APIKey, error)
}

// Ender ends keys and secrets, and tells the gateways.
type Ender interface {
	DeleteAPIKey(ctx context.Context, id string, now time.Time) error
	RotateAPIKey(ctx context.Context, r auth.KeyRotation) (auth.APIKey, error)
}

// Options configures [New].
type Options struct {
	Store    Store
	Ender    Ender
	Accounts Accounts
	// Environment is part of each key.
	Environment string
	// Changed is called once something about the owner's keys has changed that
	// gateways may remember otherwise for a while. nil: nobody is told.
	Changed func(ctx context.Context, ownerKind, ownerID string)
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
	if o.Changed == nil {
		o.Changed = func(context.Context, string, string) {}
	}
	return &API{o}
}

// View is a key as it is answered. Key is in the answer to its creation and its
// rotation alone.
type View struct {
	ID        string     `json:"id"`
	Key       string     `json:"key,omitempty"`
	Name      string     `json:"name"`
	OwnerKind string     `json:"owner_kind"`
	OwnerID   string     `json:"owner_id"`
	Scopes    []string   `json:"scopes"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at"`
	// PreviousExpiresAt is until when the secret before the last rotation
	// counts; null where it does not.
	PreviousExpiresAt *time.Time `json:"previous_expires_at"`
	// LastUsedAt is exact to a few minutes; null for a key that was never used.
	LastUsedAt *time.Time `json:"last_used_at"`
}

func (a *API) viewOf(k auth.APIKey) View {
	v := View{
		ID: k.ID, Name: k.Name, OwnerKind: k.OwnerKind, OwnerID: k.OwnerID, Scopes: k.Scopes,
		CreatedAt: k.CreatedAt.UTC(), ExpiresAt: utc(k.ExpiresAt), LastUsedAt: utc(k.LastUsedAt),
	}
	if k.PreviousExpiresAt != nil && a.Now().Before(*k.PreviousExpiresAt) {
		v.PreviousExpiresAt = utc(k.PreviousExpiresAt)
	}
	return v
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

// reach returns a key that the caller may read, and with write change: its own,
// or with keys:read and keys:write that of anybody.
func (a *API) reach(r *http.Request, write bool) (auth.APIKey, error) {
	k, err := a.Store.APIKey(r.Context(), r.PathValue("id"))
	if err != nil {
		return auth.APIKey{}, err
	}
	p := identity.PrincipalFrom(r.Context())
	switch {
	case owns(p, k), rbac.Allowed(p, rbac.KeysWrite), !write && rbac.Allowed(p, rbac.KeysRead):
		return k, nil
	case write && rbac.Allowed(p, rbac.KeysRead):
		return auth.APIKey{}, rest.Lacks(rbac.KeysWrite)
	}
	return auth.APIKey{}, auth.ErrNotFound
}

func owns(p identity.Principal, k auth.APIKey) bool {
	return p.Subject == k.OwnerID && (p.Kind == identity.KindUser && k.OwnerKind == auth.OwnerUser || p.Kind == identity.KindClient && k.OwnerKind == auth.OwnerClient)
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

// List answers GET /v1/api-keys with the caller's own keys, or with keys:read
// those of the user owner_id, or of the client with owner_kind=client.
func (a *API) List(w http.ResponseWriter, r *http.Request) {
	kind, ownerID, err := listed(r)
	if err != nil {
		rest.Fail(w, r, err)
		return
	}
	page, err := rest.ReadPage(r, "owner_id", "owner_kind")
	if err != nil {
		rest.Fail(w, r, err)
		return
	}
	keys, err := a.Store.ListAPIKeys(r.Context(), kind, ownerID, page.After, page.Limit+1)
	if err != nil {
		rest.Fail(w, r, err)
		return
	}
	rest.Write(w, r, http.StatusOK, jsonhttp.NewList(keys, page.Limit, a.viewOf, func(k auth.APIKey) string { return k.ID }))
}

// listed returns whose keys a request for a list means.
func listed(r *http.Request) (kind, id string, err error) {
	query := r.URL.Query()
	kind, id = query.Get("owner_kind"), query.Get("owner_id")
	if id == "" && kind == "" {
		return owner(r)
	}
	if kind == "" {
		kind = auth.OwnerUser
	}
	switch {
	case kind != auth.OwnerUser && kind != auth.OwnerClient:
		return "", "", rest.BadParameter("owner_kind", "must be user or client")
	case id == "" || len(id) > 200 || !utf8.ValidString(id) || strings.ContainsRune(id, 0):
		return "", "", rest.BadParameter("owner_id", "must be the id of a user or client")
	}
	p := identity.PrincipalFrom(r.Context())
	if owns(p, auth.APIKey{OwnerKind: kind, OwnerID: id}) || rbac.Allowed(p, rbac.KeysRead) || rbac.Allowed(p, rbac.KeysWrite) {
		return kind, id, nil
	}
	return "", "", rest.Lacks(rbac.KeysRead)
}

// Read answers GET /v1/api-keys/{id}.
func (a *API) Read(w http.ResponseWriter, r *http.Request) {
	k, err := a.reach(r, false)
	if err != nil {
		rest.Fail(w, r, err)
		return
	}
	rest.SetETag(w, k.Version)
	rest.Write(w, r, http.StatusOK, a.viewOf(k))
}
