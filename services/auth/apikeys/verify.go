package apikeys

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"
	"time"

	"gatehouse.example/internal/api/authapi"
	"gatehouse.example/internal/api/userapi"
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
	// Now is the clock. nil: time.Now.
	Now func() time.Time
}

// VerifyHandler answers POST /internal/v1/api-keys/verify.
func VerifyHandler(o VerifyOptions) http.Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body authapi.VerifyAPIKeyRequest
		if err := rest.Read(w, r, &body); err != nil {
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
	if subtle.ConstantTimeCompare(key.Hash, auth.HashAPIKey(text)) != 1 {
		return authapi.APIKey{}, auth.ErrNotFound
	}
	if key.ExpiresAt != nil && !o.Now().Before(*key.ExpiresAt) {
		return authapi.APIKey{}, auth.ErrNotFound
	}
	allowed := authapi.APIKey{ID: key.ID, OwnerKind: key.OwnerKind, OwnerID: key.OwnerID, ExpiresAt: key.ExpiresAt}
	if key.OwnerKind == auth.OwnerClient {
		client, err := o.Clients.Client(ctx, key.OwnerID)
		if err != nil {
			return authapi.APIKey{}, err
		}
		allowed.Scopes = stillAllowed(key.Scopes, func(scope string) bool {
			return slices.Contains(client.OwnScopes([]string{scope}), scope) || client.Admin
		})
		return allowed, nil
	}
	account, err := o.Accounts.AccountByID(ctx, key.OwnerID)
	if p, ok := errors.AsType[*problem.Problem](err); ok && p.Status == http.StatusNotFound {
		return authapi.APIKey{}, auth.ErrNotFound
	}
	if err != nil {
		return authapi.APIKey{}, err
	}
	if account.Status != userapi.StatusActive {
		return authapi.APIKey{}, auth.ErrNotFound
	}
	permitted := account.Permissions
	allowed.Roles, allowed.Permissions = account.Roles, permitted
	allowed.Scopes = stillAllowed(key.Scopes, func(scope string) bool {
		return !slices.Contains(rbac.All(), scope) || slices.Contains(permitted, scope)
	})
	return allowed, nil
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
