package token

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/oauth"
	"gatehouse.example/services/auth/opaque"
)

// Codes redeems authorization codes.
type Codes interface {
	// Code returns the code, used or not, or [auth.ErrNotFound].
	Code(ctx context.Context, hash []byte) (auth.AuthorizationCode, error)
	// RedeemCode consumes the code by one statement if it is bound to what
	// bound says, or returns [auth.ErrConsumed] and other reasons.
	RedeemCode(ctx context.Context, client auth.Client, bound auth.AuthorizationCode, issued auth.AccessTokenRecord, refresh *auth.RefreshFamily, now time.Time) error
}

// Revoker ends grants.
type Revoker interface {
	RevokeGrant(ctx context.Context, grantID, reason string, now time.Time) error
	// RevokeReplayed is RevokeGrant because something single-use came again;
	// action is what the audit log calls it.
	RevokeReplayed(ctx context.Context, action string, g auth.Grant, now time.Time) error
}

// CodeOptions configures [NewCodeGrant].
type CodeOptions struct {
	Codes     Codes
	Revoker   Revoker
	Accounts  Accounts
	Minter    Minter
	Refresher *opaque.Refresher
	// RefreshLifetime is the absolute life of a refresh token's family,
	// RefreshIdle its life without use. Zero: 30 days and 7 days.
	RefreshLifetime, RefreshIdle time.Duration
	Logger                       *slog.Logger
	// Now is the clock. nil: time.Now.
	Now func() time.Time
}

// CodeGrant is the authorization code grant (RFC 6749 §4.1.3).
type CodeGrant struct{ CodeOptions }

var _ Grant = (*CodeGrant)(nil)

// NewCodeGrant returns the grant.
func NewCodeGrant(o CodeOptions) *CodeGrant {
	if o.RefreshLifetime <= 0 {
		o.RefreshLifetime = 30 * 24 * time.Hour
	}
	if o.RefreshIdle <= 0 {
		o.RefreshIdle = 7 * 24 * time.Hour
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &CodeGrant{o}
}

// Type implements [Grant].
func (g *CodeGrant) Type() auth.GrantType { return auth.GrantAuthorizationCode }

// Handle implements [Grant].
func (g *CodeGrant) Handle(ctx context.Context, client auth.Client, form oauth.Params) (Response, error) {
	switch {
	case !form.Has("code"), !form.Has("redirect_uri"):
		return Response{}, oauth.Errorf(oauth.InvalidRequest, "code and redirect_uri are required")
	case !form.Has("code_verifier"):
		// There is no code without a challenge here, so leaving the verifier
		// out is an attempt to get around PKCE (RFC 9700 §4.8.2).
		return Response{}, oauth.Errorf(oauth.InvalidGrant, "code_verifier is required")
	case !auth.ValidCodeVerifier(form.Get("code_verifier")):
		return Response{}, oauth.Errorf(oauth.InvalidGrant, "code_verifier must have 43 to 128 unreserved characters")
	}
	code, err := g.Codes.Code(ctx, opaque.Hash(form.Get("code")))
	if errors.Is(err, auth.ErrNotFound) {
		return Response{}, invalidGrant()
	}
	if err != nil {
		return Response{}, err
	}
	audience, err := audienceOf(client, code.Grant, form)
	if err != nil {
		return Response{}, err
	}
	// Before the code is consumed: if the user service does not answer, the
	// client can try again with the same code.
	account, err := activeAccount(ctx, g.Accounts, code.UserID)
	if errors.Is(err, errEnded) {
		return Response{}, invalidGrant()
	}
	if err != nil {
		return Response{}, err
	}
	issued, family, refresh, err := g.prepare(client, code)
	if err != nil {
		return Response{}, err
	}
	// RFC 6749 §4.1.3 and RFC 7636 §4.6: bound to the client that asks now, the
	// redirect URI it names now, and the verifier it presents now.
	bound := auth.AuthorizationCode{
		Grant: auth.Grant{ClientID: client.ID}, Hash: code.Hash,
		RedirectURI: form.Get("redirect_uri"), CodeChallenge: auth.CodeChallenge(form.Get("code_verifier")),
	}
	if err := g.redeem(ctx, client, bound, code, issued, family); err != nil {
		return Response{}, err
	}
	grant := code.Grant
	grant.Audience = audience
	// Never what the client lost since the person signed in.
	grant.Scopes = auth.IntersectScopes(grant.Scopes, client.Scopes)
	response, err := userTokens(g.Minter, grant, grant.Scopes, issued, account, code.Nonce)
	response.RefreshToken = refresh
	return response, err
}

// prepare makes what the redemption stores.
func (g *CodeGrant) prepare(client auth.Client, code auth.AuthorizationCode) (issued auth.AccessTokenRecord, family *auth.RefreshFamily, refresh string, err error) {
	now := g.Now()
	if issued, err = record(g.Minter, now); err != nil || !client.MayUse(auth.GrantRefreshToken) {
		return issued, nil, "", err
	}
	if refresh, err = g.Refresher.First(code.ID); err != nil {
		return issued, nil, "", err
	}
	family = &auth.RefreshFamily{
		CurrentHash: opaque.Hash(refresh), ExpiresAt: now.Add(g.RefreshLifetime), IdleExpiresAt: now.Add(min(g.RefreshIdle, g.RefreshLifetime)),
	}
	return issued, family, refresh, nil
}

func (g *CodeGrant) redeem(ctx context.Context, client auth.Client, bound, code auth.AuthorizationCode, issued auth.AccessTokenRecord, family *auth.RefreshFamily) error {
	err := g.Codes.RedeemCode(ctx, client, bound, issued, family, g.Now())
	switch {
	case err == nil:
		return nil
	case errors.Is(err, auth.ErrConsumed):
		// RFC 6749 §4.1.2, §10.5: a code that comes twice has leaked, so what
		// came of it ends.
		g.Logger.WarnContext(ctx, "authorization code presented twice; its tokens are revoked",
			slog.String("client_id", bound.ClientID), slog.String("grant_id", code.ID))
		if err := g.Revoker.RevokeReplayed(ctx, "token.code_reuse_detected", code.Grant, g.Now()); err != nil {
			return err
		}
		return invalidGrant()
	case errors.Is(err, auth.ErrNotFound), errors.Is(err, auth.ErrExpired), errors.Is(err, auth.ErrMismatch), errors.Is(err, auth.ErrRevoked):
		return invalidGrant()
	case errors.Is(err, auth.ErrConflict):
		return justChanged()
	}
	return err
}

// audienceOf narrows the grant's audience to the resources that the request
// names (RFC 8707 §2.2).
func audienceOf(client auth.Client, grant auth.Grant, form oauth.Params) ([]string, error) {
	wanted := form.Resources()
	if len(wanted) == 0 {
		// Never what the client lost since the person signed in.
		audience := auth.IntersectScopes(grant.Audience, append([]string{auth.DefaultAudience}, client.Resources...))
		if len(audience) == 0 {
			return nil, oauth.Errorf(oauth.InvalidTarget, "the client may not ask for this resource any more")
		}
		return audience, nil
	}
	audience, err := client.AudienceFor(wanted)
	if err == nil && len(auth.IntersectScopes(audience, grant.Audience)) == len(audience) {
		return audience, nil
	}
	return nil, oauth.Errorf(oauth.InvalidTarget, "the resource was not part of the authorization")
}
