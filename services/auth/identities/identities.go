// Package identities owns what a person can do with the providers that sign it
// in: listing and unlinking them by API (/v1/identities), and seeing, linking
// and unlinking them on the page of the account.
//
// Going to a provider and coming back is left to services/auth/social; that the
// last way in stays, to the store, which sees all that happens at once.
package identities

import (
	"context"
	"errors"
	"net/http"
	"time"

	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/jsonhttp"
	"gatehouse.example/internal/problem"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/rest"
	"gatehouse.example/services/auth/social"
)

// Store finds and removes identities.
type Store interface {
	IdentitiesOf(ctx context.Context, userID, after string, limit int) ([]auth.Identity, error)
	// UnlinkIdentity removes the user's identity, or returns [auth.ErrNotFound]
	// or [auth.ErrLastSignInMethod].
	UnlinkIdentity(ctx context.Context, userID, id string, providers []string, now time.Time) error
}

// API is the endpoints; only users reach them. It is safe for concurrent use.
type API struct {
	store     Store
	catalogue social.Catalogue
	now       func() time.Time
}

// NewAPI returns the endpoints. now is the clock.
func NewAPI(store Store, catalogue social.Catalogue, now func() time.Time) *API {
	return &API{store: store, catalogue: catalogue, now: now}
}

// View is an identity as it is answered.
type View struct {
	ID       string `json:"id"`
	Provider string `json:"provider"`
	// DisplayName is the provider's; its name where it is not configured.
	DisplayName string `json:"display_name"`
	// Email is what the provider told at the last sign-in; "" for nothing.
	Email      string    `json:"email,omitempty"`
	CreatedAt  time.Time `json:"created_at"`
	LastUsedAt time.Time `json:"last_used_at"`
}

// List answers GET /v1/identities.
func (a *API) List(w http.ResponseWriter, r *http.Request) {
	page, err := rest.ReadPage(r)
	if err != nil {
		rest.Fail(w, r, err)
		return
	}
	found, err := a.store.IdentitiesOf(r.Context(), identity.PrincipalFrom(r.Context()).Subject, page.After, page.Limit+1)
	if err != nil {
		rest.Fail(w, r, err)
		return
	}
	viewOf := func(id auth.Identity) View {
		return View{
			ID: id.ID, Provider: id.Provider, DisplayName: a.catalogue.DisplayName(id.Provider), Email: id.Email,
			CreatedAt: id.CreatedAt.UTC(), LastUsedAt: id.LastUsedAt.UTC(),
		}
	}
	rest.Write(w, r, http.StatusOK, jsonhttp.NewList(found, page.Limit, viewOf, func(id auth.Identity) string { return id.ID }))
}

// Delete answers DELETE /v1/identities/{id}.
func (a *API) Delete(w http.ResponseWriter, r *http.Request) {
	caller := identity.PrincipalFrom(r.Context())
	err := a.store.UnlinkIdentity(r.Context(), caller.Subject, r.PathValue("id"), a.catalogue.Names(), a.now())
	if errors.Is(err, auth.ErrLastSignInMethod) {
		err = problem.New(http.StatusConflict, "last_sign_in_method", "this is the only way to sign in: set a password or link another provider first")
	}
	if err != nil {
		rest.Fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
