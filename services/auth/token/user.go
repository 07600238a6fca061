package token

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/problem"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/mint"
	"gatehouse.example/services/auth/oauth"
)

// Accounts finds accounts in the user service.
type Accounts interface {
	AccountByID(ctx context.Context, id string) (userapi.Account, error)
}

// activeAccount asks the user service whether the person may still act, at each
// sign-in and refresh.
func activeAccount(ctx context.Context, accounts Accounts, id string) (userapi.Account, error) {
	account, err := accounts.AccountByID(ctx, id)
	if problem.HasStatus(err, http.StatusNotFound) {
		return account, errEnded
	}
	if err != nil {
		return account, err
	}
	if account.Status != userapi.StatusActive {
		return account, errEnded
	}
	return account, nil
}

var errEnded = errors.New("the account may not act")

// userTokens signs what a person's grant gives a client.
func userTokens(m Minter, grant auth.Grant, scopes []string, issued auth.AccessTokenRecord, account userapi.Account, nonce string) (Response, error) {
	access, err := m.AccessToken(mint.AccessToken{
		ID: issued.ID, Subject: grant.UserID, ClientID: grant.ClientID, SessionID: grant.SessionID, Audience: grant.Audience,
		Scopes: scopes, Roles: account.Roles, Permissions: account.Permissions, AuthTime: grant.AuthTime, ExpiresAt: issued.ExpiresAt,
	})
	if err != nil {
		return Response{}, err
	}
	r := Response{AccessToken: access, TokenType: "Bearer", ExpiresIn: int64(m.Lifetime().Seconds()), Scope: auth.FormatScope(scopes)}
	if slices.Contains(scopes, auth.ScopeOpenID) {
		r.IDToken, err = m.IDToken(mint.IDToken{
			Subject: grant.UserID, ClientID: grant.ClientID, SessionID: grant.SessionID, Nonce: nonce, AuthTime: grant.AuthTime, AccessToken: access,
		})
	}
	return r, err
}

// justChanged tells a client whose rights were changed while a token was made.
func justChanged() *oauth.Error {
	return oauth.Errorf(oauth.InvalidScope, "what the client may have has just changed; ask again")
}

// invalidGrant is the one answer for every code and refresh token that is not
// good (RFC 6749 §5.2): which reason it is helps only a thief.
func invalidGrant() *oauth.Error {
	return oauth.Errorf(oauth.InvalidGrant, "the code or token is invalid, expired, revoked, or was issued to another client")
}
