package clients

import (
	"net/http"

	"github.com/google/uuid"

	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/jsonhttp"
	"gatehouse.example/internal/problem"
	"gatehouse.example/internal/rbac"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/opaque"
	"gatehouse.example/services/auth/rest"
)

// Update answers PATCH /v1/clients/{id}. Whoever may change a client could have
// made it as it is before and as it is then. The type stays as it is.
func (a *API) Update(w http.ResponseWriter, r *http.Request) {
	client, err := a.update(w, r)
	if err != nil {
		rest.Fail(w, r, err)
		return
	}
	rest.SetETag(w, client.Version)
	rest.Write(w, r, http.StatusOK, viewOf(client))
}

func (a *API) update(w http.ResponseWriter, r *http.Request) (auth.Client, error) {
	caller, _, err := a.caller(r)
	if err != nil {
		return auth.Client{}, err
	}
	before, err := a.writable(r, caller)
	if err != nil {
		return before, err
	}
	body, err := rest.ReadPatch(w, r, registrationOf(before))
	if err != nil {
		return before, err
	}
	if body.Type != before.Type {
		return before, jsonhttp.Invalid(problem.Violation{Pointer: "/type", Detail: "cannot be changed"})
	}
	after, err := body.client(caller)
	if err != nil {
		return before, err
	}
	after.ID, after.Secrets, after.CreatedAt, after.Version = before.ID, before.Secrets, before.CreatedAt, before.Version
	changed := changedMembers(before, after)
	if len(changed) == 0 {
		return before, nil
	}
	record, err := audit.New(r.Context(), "auth", "client.updated", "client", before.ID, a.Now())
	if err != nil {
		return before, err
	}
	record = withChanges(record, before, after, changed)
	after.UpdatedAt = a.Now()
	store := a.Store.UpdateClient
	if loses(before, after) {
		store = a.Ender.NarrowClient
	}
	if err := store(r.Context(), after, record); err != nil {
		return before, err
	}
	a.Changed(r.Context(), string(identity.KindClient), before.ID)
	after.Version++
	return after, nil
}

// writable returns the client of a request that changes it, as If-Match wants it,
// to a caller that could have registered it.
func (a *API) writable(r *http.Request, caller identity.Principal) (auth.Client, error) {
	if err := need(r, rbac.ClientsWrite); err != nil {
		return auth.Client{}, err
	}
	client, err := a.Store.Client(r.Context(), r.PathValue("id"))
	if err != nil {
		return auth.Client{}, err
	}
	if err := mayControl(caller, client); err != nil {
		return auth.Client{}, err
	}
	return client, rest.CheckMatch(r, client.Version)
}

// registrationOf is the registration that makes the client as it is.
func registrationOf(c auth.Client) Registration {
	return Registration{
		Name: c.Name, Type: c.Type, RedirectURIs: c.RedirectURIs, PostLogoutRedirectURIs: c.PostLogoutRedirectURIs, GrantTypes: c.GrantTypes,
		Scopes: c.Scopes, Resources: c.Resources, TokenEndpointAuthMethod: c.TokenEndpointAuthMethod, FirstParty: c.FirstParty, Admin: c.Admin,
	}
}

// Rotate answers POST /v1/clients/{id}/rotate with another secret of the client.
// The old one counts until the overlap ends; the one before that ends now.
func (a *API) Rotate(w http.ResponseWriter, r *http.Request) {
	view, version, err := a.rotate(w, r)
	if err != nil {
		rest.Fail(w, r, err)
		return
	}
	rest.SetETag(w, version)
	rest.Write(w, r, http.StatusOK, view)
}

func (a *API) rotate(w http.ResponseWriter, r *http.Request) (View, int64, error) {
	caller, err := a.secretCaller(r)
	if err != nil {
		return View{}, 0, err
	}
	client, err := a.writable(r, caller)
	if err != nil {
		return View{}, 0, err
	}
	if client.Type != auth.ClientConfidential {
		return View{}, 0, problem.New(http.StatusConflict, "public_client", "a public client has no secret")
	}
	overlap, err := rest.ReadOverlap(w, r)
	if err != nil {
		return View{}, 0, err
	}
	record, err := audit.New(r.Context(), "auth", "client.secret_rotated", "client", client.ID, a.Now())
	if err != nil {
		return View{}, 0, err
	}
	view := viewOf(client)
	view.ClientSecret, view.UpdatedAt = opaque.New(), a.Now()
	rotation := auth.SecretRotation{
		ClientID: client.ID, Secret: auth.ClientSecret{ID: uuid.NewString(), Hash: opaque.Hash(view.ClientSecret)}, Overlap: overlap, Now: a.Now(),
	}
	if rest.Conditional(r) {
		rotation.Version = client.Version
	}
	version, err := a.Store.RotateClientSecret(r.Context(), rotation, record.With("overlap", overlap.String()))
	return view, version, err
}

// Delete answers DELETE /v1/clients/{id}.
func (a *API) Delete(w http.ResponseWriter, r *http.Request) {
	caller, _, err := a.caller(r)
	var client auth.Client
	if err == nil {
		client, err = a.writable(r, caller)
	}
	if err == nil {
		err = a.Ender.DeleteClient(r.Context(), client.ID, a.Now())
	}
	if err != nil {
		rest.Fail(w, r, err)
		return
	}
	a.Changed(r.Context(), string(identity.KindClient), client.ID)
	w.WriteHeader(http.StatusNoContent)
}
