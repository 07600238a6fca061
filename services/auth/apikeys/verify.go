package apikeys

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"gatehouse.example/internal/api/authapi"
	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/jsonhttp"
	"gatehouse.example/internal/problem"
	"gatehouse.example/internal/rbac"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/rest"
)

// Finder finds keys, or returns [auth.ErrNotFound].
type Finder interface {
	APIKey(ctx context.Context, id string) (auth.APIKey, error)
}

// Clients finds registered clients, or returns [auth.ErrNotFound].
type Clients interface {
	Client(ctx context.Context, id string) (auth.Client, error)
}

// Accounts finds accounts in the user service.
type Accounts interface {
	AccountByID(ctx context.Context, id string) (userapi.Account, error)
}

// VerifyOptions configures [VerifyHandler].
type VerifyOptions struct {
	Keys        Finder
	Clients     Clients
	Accounts    Accounts
	Environment string
	// Used is told of each key that was good; it must not block. nil: nobody is.
	Used func(key auth.APIKey)
	// Now is the clock. nil: time.Now.
	Now func() time.Time
}

// VerifyHandler answers POST /internal/v1/api-keys/verify.
func VerifyHandler(o VerifyOptions) http.Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Used == nil {
		o.Used = func(auth.APIKey) {}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body authapi.VerifyAPIKeyRequest
		if err := jsonhttp.Read(w, r, &body); err != nil {
			rest.Fail(w, r, err)
			return
		}
		allowed, err := o.verify(r.Context(), body.Key)
		if errors.Is(err, auth.ErrNotFound) {
			// One answer for every reason: it goes on to who presented the key.
			err = problem.New(http.StatusNotFound, authapi.CodeKeyInvalid, "the API key is not valid")
		}
		if err != nil {
			rest.Fail(w, r, err)
			return
		}
		rest.Write(w, r, http.StatusOK, allowed)
	})
}

func (o VerifyOptions) verify(ctx context.Context, text string) (authapi.APIKey, error) {
	id, ok := auth.ParseAPIKeyText(o.Environment, text)
	if !ok {
		return authapi.APIKey{}, auth.ErrNotFound
	}
	key, err := o.Keys.APIKey(ctx, id)
	if err != nil {
		return authapi.APIKey{}, err
	}
	hash := auth.HashAPIKey(text)
	until, ok := key.Accepts(hash, o.Now())
	if !ok {
		return authapi.APIKey{}, auth.ErrNotFound
	}
	allowed := authapi.APIKey{
		ID: key.ID, RevocationID: auth.APIKeySecretID(key.ID, hash), OwnerKind: key.OwnerKind, OwnerID: key.OwnerID, ExpiresAt: utc(until),
	}
	if key.OwnerKind == auth.OwnerClient {
		err = o.forClient(ctx, key, &allowed)
	} else {
		err = o.forUser(ctx, key, &allowed)
	}
	if err != nil {
		return authapi.APIKey{}, err
	}
	o.Used(key)
	return allowed, nil
}

// forClient says what the key of a client allows: no more than the client could
// ask for itself by client_credentials.
func (o VerifyOptions) forClient(ctx context.Context, key auth.APIKey, allowed *authapi.APIKey) error {
	client, err := o.Clients.Client(ctx, key.OwnerID)
	if err != nil {
		return err
	}
	allowed.Scopes = stillAllowed(key.Scopes, func(scope string) bool {
		return scope != identity.ScopeAdmin && scope != identity.ScopeImpersonate &&
			(client.Admin || slices.Contains(client.OwnScopes([]string{scope}), scope))
	})
	return nil
}

// forUser says what the key of a person allows. A scope that is a permission
// counts only while the person has it.
func (o VerifyOptions) forUser(ctx context.Context, key auth.APIKey, allowed *authapi.APIKey) error {
	account, err := o.Accounts.AccountByID(ctx, key.OwnerID)
	if problem.HasStatus(err, http.StatusNotFound) {
		return auth.ErrNotFound
	}
	if err != nil {
		return err
	}
	if account.Status != userapi.StatusActive {
		return auth.ErrNotFound
	}
	allowed.Roles, allowed.Permissions = account.Roles, account.Permissions
	admin := slices.Contains(account.Roles, rbac.RoleAdmin)
	allowed.Scopes = stillAllowed(key.Scopes, func(scope string) bool {
		return scope != identity.ScopeAdmin && scope != identity.ScopeImpersonate &&
			(admin || !rbac.ValidPermission(scope) || rbac.Covers(account.Permissions, scope))
	})
	return nil
}

func stillAllowed(scopes []string, may func(scope string) bool) []string {
	kept := []string{}
	for _, s := range scopes {
		if may(s) {
			kept = append(kept, s)
		}
	}
	return kept
}
