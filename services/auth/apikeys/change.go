package apikeys

import (
	"errors"
	"net/http"

	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/jsonhttp"
	"gatehouse.example/internal/problem"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/rest"
)

// Patch is what PATCH /v1/api-keys/{id} can change.
type Patch struct {
	// Name is for the owner, 1 to 200 characters.
	Name string `json:"name"`
}

// Update answers PATCH /v1/api-keys/{id}.
func (a *API) Update(w http.ResponseWriter, r *http.Request) {
	k, err := a.rename(w, r)
	if err != nil {
		rest.Fail(w, r, err)
		return
	}
	rest.SetETag(w, k.Version)
	rest.Write(w, r, http.StatusOK, a.viewOf(k))
}

func (a *API) rename(w http.ResponseWriter, r *http.Request) (auth.APIKey, error) {
	k, err := a.reach(r, true)
	if err != nil {
		return k, err
	}
	if err := rest.CheckMatch(r, k.Version); err != nil {
		return k, err
	}
	after, err := rest.ReadPatch(w, r, Patch{Name: k.Name})
	switch {
	case err != nil:
		return k, err
	case !validName(after.Name):
		return k, jsonhttp.Invalid(wrongName())
	case after.Name == k.Name:
		return k, nil
	}
	record, err := audit.New(r.Context(), "auth", "key.updated", "key", k.ID, a.Now())
	if err != nil {
		return k, err
	}
	k.Name = after.Name
	if err := a.Store.RenameAPIKey(r.Context(), k, record.With("changed", "name")); err != nil {
		return k, err
	}
	k.Version++
	return k, nil
}

// Rotate answers POST /v1/api-keys/{id}/rotate with a new secret of the same
// key. The old one counts until the overlap ends; the one before that ends now.
func (a *API) Rotate(w http.ResponseWriter, r *http.Request) {
	k, text, err := a.rotate(w, r)
	if err != nil {
		rest.Fail(w, r, err)
		return
	}
	a.Changed(r.Context(), k.OwnerKind, k.OwnerID)
	view := a.viewOf(k)
	view.Key = text
	rest.SetETag(w, k.Version)
	rest.Write(w, r, http.StatusOK, view)
}

func (a *API) rotate(w http.ResponseWriter, r *http.Request) (k auth.APIKey, text string, err error) {
	if k, err = a.reach(r, true); err != nil {
		return k, "", err
	}
	caller := identity.PrincipalFrom(r.Context())
	if !owns(caller, k) {
		// The secret acts for its owner: who may revoke it may not have it.
		return k, "", problem.New(http.StatusForbidden, "owner_required", "only its owner can rotate an API key; others can revoke it")
	}
	if err := a.mayHaveSecret(r.Context(), caller); err != nil {
		return k, "", err
	}
	// The new secret is all that the key allows: whoever gets to see it must be
	// allowed as much, as whoever makes a key.
	for _, scope := range k.Scopes {
		if scopeComplaint(caller, scope) != "" {
			return k, "", problem.Newf(http.StatusForbidden, "insufficient_scope", "the API key has the scope %q, which is more than you may do yourself", scope)
		}
	}
	if err := rest.CheckMatch(r, k.Version); err != nil {
		return k, "", err
	}
	overlap, err := rest.ReadOverlap(w, r)
	if err != nil {
		return k, "", err
	}
	if text, err = auth.NewAPIKeyText(a.Environment, k.ID); err != nil {
		return k, "", err
	}
	rotation := auth.KeyRotation{ID: k.ID, Hash: auth.HashAPIKey(text), Overlap: overlap, Now: a.Now()}
	if rest.Conditional(r) {
		rotation.Version = k.Version
	}
	k, err = a.Ender.RotateAPIKey(r.Context(), rotation)
	if errors.Is(err, auth.ErrExpired) {
		err = problem.New(http.StatusConflict, "key_expired", "the API key has expired; make a new one")
	}
	return k, text, err
}

// Delete answers DELETE /v1/api-keys/{id}: the key is revoked.
func (a *API) Delete(w http.ResponseWriter, r *http.Request) {
	k, err := a.reach(r, true)
	if err == nil {
		err = rest.CheckMatch(r, k.Version)
	}
	if err == nil {
		err = a.Ender.DeleteAPIKey(r.Context(), k.ID, a.Now())
	}
	if err != nil {
		rest.Fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
