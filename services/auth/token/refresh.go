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

// Families stores families of refresh tokens.
type Families interface {
	// Family returns the family, ended or not, or [auth.ErrNotFound].
	Family(ctx context.Context, id string) (auth.RefreshFamily, error)
	// Rotate replaces the current token by its successor by one statement, or
	// returns [auth.ErrConsumed] if the presented token is not current.
	Rotate(ctx context.Context, r auth.Rotation) error
	// Repeat allows the previous token once more while its successor, issued
	// after since, is unused, or returns [auth.ErrConsumed].
	Repeat(ctx context.Context, r auth.Rotation, since time.Time) error
}

// Sessions notes the use of sessions.
type Sessions interface {
	SeenSession(ctx context.Context, id string, seen time.Time) error
}

// RefreshOptions configures [NewRefreshGrant].
type RefreshOptions struct {
	Families  Families
	Sessions  Sessions
	Revoker   Revoker
	Accounts  Accounts
	Minter    Minter
	Refresher *opaque.Refresher
	// Idle is how long a refresh token lives without use. Zero: 7 days.
	Idle time.Duration
	// Grace is how long after a rotation the client gets the same successor
	// again, because it may have lost the answer. Zero: 10 seconds.
	Grace  time.Duration
	Logger *slog.Logger
	// Now is the clock. nil: time.Now.
	Now func() time.Time
}

// RefreshGrant is the refresh token grant (RFC 6749 §6) with rotation
// (RFC 9700 §4.14.2).
type RefreshGrant struct{ RefreshOptions }

var _ Grant = (*RefreshGrant)(nil)

// NewRefreshGrant returns the grant.
func NewRefreshGrant(o RefreshOptions) *RefreshGrant {
	if o.Idle <= 0 {
		o.Idle = 7 * 24 * time.Hour
	}
	if o.Grace <= 0 {
		o.Grace = 10 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &RefreshGrant{o}
}

// Type implements [Grant].
func (g *RefreshGrant) Type() auth.GrantType { return auth.GrantRefreshToken }

// Handle implements [Grant].
func (g *RefreshGrant) Handle(ctx context.Context, client auth.Client, form oauth.Params) (Response, error) {
	presented := form.Get("refresh_token")
	if presented == "" {
		return Response{}, oauth.Errorf(oauth.InvalidRequest, "refresh_token is required")
	}
	family, err := g.find(ctx, client, presented)
	if err != nil {
		return Response{}, err
	}
	scopes, err := narrow(form, client, family)
	if err != nil {
		return Response{}, err
	}
	audience, err := audienceOf(client, family.Grant, form)
	if err != nil {
		return Response{}, err
	}
	account, err := activeAccount(ctx, g.Accounts, family.UserID)
	if errors.Is(err, errEnded) {
		if err := g.Revoker.RevokeGrant(ctx, family.ID, "account_ended", g.Now()); err != nil {
			return Response{}, err
		}
		return Response{}, invalidGrant()
	}
	if err != nil {
		return Response{}, err
	}
	successor, issued, err := g.rotate(ctx, client, family, presented)
	if err != nil {
		return Response{}, err
	}
	g.seen(ctx, family)
	grant := family.Grant
	grant.Audience = audience
	if family.SessionEnded {
		// An offline grant outlives its session; a token that still named it
		// would be refused with it.
		grant.SessionID = ""
	}
	// OpenID Connect Core §12.2: no nonce in an ID token that a refresh gives.
	response, err := userTokens(g.Minter, grant, scopes, issued, account, "")
	response.RefreshToken = successor
	return response, err
}

// seenInterval is how often the use of a session is written down.
const seenInterval = time.Minute

// seen notes that the session is in use. The tokens do not depend on it.
func (g *RefreshGrant) seen(ctx context.Context, f auth.RefreshFamily) {
	now := g.Now()
	if f.SessionEnded || f.SessionSeenAt == nil || now.Sub(*f.SessionSeenAt) < seenInterval {
		return
	}
	if err := g.Sessions.SeenSession(ctx, f.SessionID, now); err != nil {
		g.Logger.WarnContext(ctx, "note the use of a session", slog.String("session_id", f.SessionID), slog.Any("error", err))
	}
}

// find returns the family of a token that this client may present.
func (g *RefreshGrant) find(ctx context.Context, client auth.Client, presented string) (auth.RefreshFamily, error) {
	id, err := g.Refresher.Family(presented)
	if err != nil {
		return auth.RefreshFamily{}, invalidGrant()
	}
	family, err := g.Families.Family(ctx, id)
	switch {
	case errors.Is(err, auth.ErrNotFound):
		return family, invalidGrant()
	case err != nil:
		return family, err
	case family.ClientID != client.ID:
		// RFC 6749 §10.4: bound to the client it was issued to. The other
		// client's mistake does not end the owner's family.
		return family, invalidGrant()
	case family.Usable(g.Now()) != nil:
		return family, invalidGrant()
	}
	return family, nil
}

// narrow returns the scopes of the new access token: those of the grant, or
// fewer if the client asks for fewer (RFC 6749 §6), and never what the client
// lost since.
func narrow(form oauth.Params, client auth.Client, family auth.RefreshFamily) ([]string, error) {
	granted := auth.IntersectScopes(family.Scopes, client.Scopes)
	if !form.Has("scope") {
		return granted, nil
	}
	requested, ok := auth.ParseScope(form.Get("scope"))
	if !ok {
		return nil, oauth.Errorf(oauth.InvalidScope, "scope is malformed")
	}
	scopes := auth.IntersectScopes(requested, granted)
	if len(scopes) != len(requested) || len(scopes) == 0 {
		return nil, oauth.Errorf(oauth.InvalidScope, "scope was not granted")
	}
	return scopes, nil
}

// rotate exchanges the presented token for its successor. One that was used
// before ends the family (RFC 9700 §4.14.2), unless it is the last one, just
// used, and its successor is not.
func (g *RefreshGrant) rotate(ctx context.Context, client auth.Client, family auth.RefreshFamily, presented string) (successor string, issued auth.AccessTokenRecord, err error) {
	now := g.Now()
	if successor, err = g.Refresher.Next(presented); err != nil {
		return "", issued, invalidGrant()
	}
	if issued, err = record(g.Minter, now); err != nil {
		return "", issued, err
	}
	r := auth.Rotation{
		FamilyID: family.ID, ClientID: family.ClientID, PresentedHash: opaque.Hash(presented), SuccessorHash: opaque.Hash(successor),
		IdleExpiresAt: now.Add(g.Idle), Issued: issued, Client: client, Now: now,
	}
	err = g.Families.Rotate(ctx, r)
	if errors.Is(err, auth.ErrConsumed) {
		err = g.Families.Repeat(ctx, r, now.Add(-g.Grace))
	}
	switch {
	case err == nil:
		return successor, issued, nil
	case errors.Is(err, auth.ErrConsumed):
		g.Logger.WarnContext(ctx, "refresh token presented again; its family is revoked",
			slog.String("client_id", family.ClientID), slog.String("grant_id", family.ID), slog.String("user_id", family.UserID))
		if err := g.Revoker.RevokeReplayed(ctx, "token.refresh_reuse_detected", family.Grant, now); err != nil {
			return "", issued, err
		}
		return "", issued, invalidGrant()
	case errors.Is(err, auth.ErrNotFound), errors.Is(err, auth.ErrExpired), errors.Is(err, auth.ErrMismatch), errors.Is(err, auth.ErrRevoked):
		return "", issued, invalidGrant()
	case errors.Is(err, auth.ErrConflict):
		return "", issued, justChanged()
	}
	return "", issued, err
}
