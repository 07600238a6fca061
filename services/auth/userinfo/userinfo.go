// Package userinfo owns the userinfo endpoint (OpenID Connect Core §5.3): the
// claims about a person that the access token's scopes allow.
//
// The claims themselves are left to the user service.
package userinfo

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/jose"
	"gatehouse.example/internal/problem"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/oauth"
)

// Verifier checks access tokens of ours.
type Verifier interface {
	VerifyAccessToken(ctx context.Context, token string, audience []string) (*jose.Token, error)
}

// Endings knows which access tokens were ended before their time.
type Endings interface {
	AccessTokenEnded(ctx context.Context, tokenID, sessionID, clientID string) (bool, error)
}

// Accounts finds accounts in the user service.
type Accounts interface {
	AccountByID(ctx context.Context, id string) (userapi.Account, error)
}

// Options configures [New].
type Options struct {
	Tokens   Verifier
	Endings  Endings
	Accounts Accounts
}

// Endpoint is the userinfo endpoint. It is safe for concurrent use.
type Endpoint struct{ Options }

// New returns the endpoint.
func New(o Options) *Endpoint { return &Endpoint{o} }

// ServeHTTP answers GET and POST.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	claims, err := e.handle(w, r)
	if err != nil {
		oauth.WriteError(w, r, err)
		return
	}
	oauth.WriteJSON(w, http.StatusOK, claims)
}

func (e *Endpoint) handle(w http.ResponseWriter, r *http.Request) (map[string]any, error) {
	bearer, err := bearerToken(w, r)
	if err != nil {
		return nil, err
	}
	token, err := e.Tokens.VerifyAccessToken(r.Context(), bearer, []string{auth.DefaultAudience})
	if err != nil {
		return nil, invalidToken() // the reason would help only who guesses
	}
	ended, err := e.Endings.AccessTokenEnded(r.Context(), token.Claims.ID, token.Claims.SessionID, token.Claims.ClientID)
	if err != nil {
		return nil, err
	}
	if ended {
		return nil, invalidToken()
	}
	scopes, _ := auth.ParseScope(token.Claims.Scope)
	// A client's own token names no person (OpenID Connect Core §5.3.1).
	if token.Claims.Subject == token.Claims.ClientID || !slices.Contains(scopes, auth.ScopeOpenID) {
		return nil, &oauth.Error{
			Code: oauth.InsufficientScope, Description: "a person's access token with scope openid is required", Status: http.StatusForbidden,
			Challenge: `Bearer error="insufficient_scope", scope="openid"`,
		}
	}
	account, err := e.Accounts.AccountByID(r.Context(), token.Claims.Subject)
	if problem.HasStatus(err, http.StatusNotFound) {
		return nil, invalidToken()
	}
	if err != nil {
		return nil, err
	}
	if account.Status != userapi.StatusActive {
		return nil, invalidToken()
	}
	return claimsFor(account, scopes), nil
}

// claimsFor returns what the scopes allow (OpenID Connect Core §5.4).
func claimsFor(a userapi.Account, scopes []string) map[string]any {
	claims := map[string]any{}
	if slices.Contains(scopes, auth.ScopeProfile) {
		maps.Copy(claims, a.Profile)
		for name, value := range map[string]string{"name": a.Name, "preferred_username": a.Username, "locale": a.Locale} {
			if value != "" {
				claims[name] = value
			}
		}
	}
	// Claims of scopes that do not exist here yet.
	for _, name := range []string{"address", "phone_number", "phone_number_verified", "email", "email_verified"} {
		delete(claims, name)
	}
	if slices.Contains(scopes, auth.ScopeEmail) {
		claims["email"], claims["email_verified"] = a.Email, a.EmailVerified
	}
	claims["sub"] = a.ID
	return claims
}

// bearerToken reads the token from the header or from a form (RFC 6750 §2.1,
// §2.2), never from the query (RFC 9700 §4.3.2).
func bearerToken(w http.ResponseWriter, r *http.Request) (string, error) {
	headers := r.Header.Values("Authorization")
	form := ""
	if r.Method == http.MethodPost && strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		params, err := oauth.ParseForm(w, r)
		if err != nil {
			return "", err
		}
		form = params.Get("access_token")
	}
	switch {
	case len(headers) > 1, len(headers) == 1 && form != "":
		return "", oauth.Errorf(oauth.InvalidRequest, "more than one access token")
	case form != "":
		return form, nil
	case len(headers) == 0:
		// RFC 6750 §3.1: no error code for who did not try.
		return "", &oauth.Error{Code: oauth.InvalidToken, Description: "an access token is required", Status: http.StatusUnauthorized, Challenge: `Bearer realm="gatehouse"`}
	}
	scheme, token, ok := strings.Cut(headers[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", invalidToken()
	}
	return strings.TrimSpace(token), nil
}

func invalidToken() *oauth.Error {
	return &oauth.Error{
		Code: oauth.InvalidToken, Description: "the access token is invalid, expired or revoked", Status: http.StatusUnauthorized,
		Challenge: `Bearer realm="gatehouse", error="invalid_token"`,
	}
}
