package apikeys

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/jsonhttp"
	"gatehouse.example/internal/problem"
	"gatehouse.example/internal/rbac"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/rest"
)

// NewKey is the body of POST /v1/api-keys.
type NewKey struct {
	// Name is for the owner, 1 to 200 characters.
	Name string `json:"name"`
	// Scopes are what the key allows: at most what the caller may do.
	Scopes []string `json:"scopes"`
	// ExpiresAt ends the key; absent: it has no end.
	ExpiresAt *time.Time `json:"expires_at"`
}

// Create answers POST /v1/api-keys.
func (a *API) Create(w http.ResponseWriter, r *http.Request) {
	view, err := a.create(w, r)
	if err != nil {
		rest.Fail(w, r, err)
		return
	}
	w.Header().Set("Location", "/v1/api-keys/"+view.ID)
	rest.SetETag(w, 1)
	rest.Write(w, r, http.StatusCreated, view)
}

func (a *API) create(w http.ResponseWriter, r *http.Request) (View, error) {
	kind, ownerID, err := owner(r)
	if err != nil {
		return View{}, err
	}
	if err := a.mayHaveSecret(r.Context(), identity.PrincipalFrom(r.Context())); err != nil {
		return View{}, err
	}
	var body NewKey
	if err := jsonhttp.Read(w, r, &body); err != nil {
		return View{}, err
	}
	if wrong := body.check(identity.PrincipalFrom(r.Context()), a.Now()); len(wrong) > 0 {
		return View{}, jsonhttp.Invalid(wrong...)
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
	made, err := audit.New(r.Context(), "auth", "key.created", "key", k.ID, a.Now())
	if err != nil {
		return View{}, err
	}
	made = made.With("owner_kind", kind).With("owner_id", ownerID).With("scopes", auth.FormatScope(k.Scopes))
	err = a.Store.CreateAPIKey(r.Context(), k, made)
	if errors.Is(err, auth.ErrTooMany) {
		err = problem.Newf(http.StatusConflict, "too_many_keys", "there are %d API keys already; revoke some", auth.MaxAPIKeys)
	}
	if err != nil {
		return View{}, err
	}
	view := a.viewOf(k)
	view.Key = key
	return view, nil
}

// mayHaveSecret refuses a caller whose new secret would outlive what allowed it.
// A key that makes keys could not be taken back: not by its end, nor by deleting
// it; one that rotates itself could shut out its owner.
// A suspended person's token lives on for a moment; a key made by it would wait
// for the day on which the person may act again.
func (a *API) mayHaveSecret(ctx context.Context, caller identity.Principal) error {
	byKey, err := rest.ByAPIKey(ctx, a.Store, caller)
	if err != nil {
		return err
	}
	if byKey {
		return problem.New(http.StatusForbidden, "token_required", "an API key cannot make or rotate API keys; use an access token")
	}
	if caller.Kind != identity.KindUser {
		return nil
	}
	account, err := a.Accounts.AccountByID(ctx, caller.Subject)
	ended := err == nil && account.Status != userapi.StatusActive
	if ended || problem.HasStatus(err, http.StatusNotFound) {
		return problem.New(http.StatusForbidden, "account_ended", "this account may not make API keys")
	}
	return err
}

func (b NewKey) check(caller identity.Principal, now time.Time) []problem.Violation {
	var wrong []problem.Violation
	if !validName(b.Name) {
		wrong = append(wrong, wrongName())
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

func validName(name string) bool {
	return strings.TrimSpace(name) != "" && utf8.RuneCountInString(name) <= 200 && !strings.ContainsRune(name, 0)
}

func wrongName() problem.Violation {
	return problem.Violation{Pointer: "/name", Detail: "must have 1 to 200 characters"}
}

func scopeComplaint(caller identity.Principal, scope string) string {
	switch {
	case !auth.ValidScopeToken(scope):
		return "is not a scope (RFC 6749 §3.3)"
	case scope == identity.ScopeAdmin, scope == identity.ScopeImpersonate:
		return "cannot be given to an API key"
	case rbac.ValidPermission(scope) && !rbac.Allowed(caller, scope), !caller.HasScope(scope):
		return "is more than you may do yourself"
	}
	return ""
}
