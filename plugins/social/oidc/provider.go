package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"gatehouse.example/sdk/social"
)

// provider signs people in at one OpenID provider.
type provider struct {
	config    config
	catalogue *catalogue
	client    *http.Client
	// now is the clock; tests set it before Configure.
	now func() time.Time
}

var (
	_ social.Provider  = (*provider)(nil)
	_ social.Describer = (*provider)(nil)
)

// Describe implements [social.Describer].
func (p *provider) Describe() social.Description {
	return social.Description{Name: "oidc", Version: "1"}
}

// Configure implements [social.Provider]. It asks the provider nothing, which
// may be down for a while.
func (p *provider) Configure(_ context.Context, raw json.RawMessage) error {
	c, err := decodeConfig(raw)
	if err != nil {
		return err
	}
	if p.now == nil {
		p.now = time.Now
	}
	p.config, p.client = c, newClient()
	p.catalogue = &catalogue{config: c, client: p.client, now: p.now}
	return nil
}

// AuthorizationURL implements [social.Provider].
func (p *provider) AuthorizationURL(ctx context.Context, a social.Authorization) (string, error) {
	m, err := p.catalogue.get(ctx)
	if err != nil {
		return "", err
	}
	request := m.oauth
	request.RedirectURL = a.RedirectURI
	request.Scopes = append(request.Scopes[:len(request.Scopes):len(request.Scopes)], a.Scopes...)
	return request.AuthCodeURL(a.State, oidc.Nonce(a.Nonce),
		oauth2.SetAuthURLParam("code_challenge", a.CodeChallenge),
		oauth2.SetAuthURLParam("code_challenge_method", "S256")), nil
}

// Exchange implements [social.Provider].
func (p *provider) Exchange(ctx context.Context, c social.Callback) (social.Identity, error) {
	m, err := p.catalogue.get(ctx)
	if err != nil {
		return social.Identity{}, err
	}
	// RFC 9207 §2.4: the answer of another provider never reaches the token
	// endpoint of this one.
	iss, sent := c.Parameters["iss"]
	if (sent || m.issInResponse) && iss != p.config.Issuer {
		return social.Identity{}, social.Invalid(errors.New("the response does not name this issuer"))
	}
	ctx = oidc.ClientContext(ctx, p.client)
	request := m.oauth
	request.RedirectURL = c.RedirectURI
	token, err := request.Exchange(ctx, c.Code, oauth2.VerifierOption(c.CodeVerifier))
	if err != nil {
		return social.Identity{}, tokenError(err)
	}
	who, err := p.identity(ctx, m, token, c.Nonce)
	if err != nil {
		return social.Identity{}, err
	}
	return who, nil
}

// tokenError tells what the token endpoint's refusal means (RFC 6749 §5.2).
// What the provider wrote beside the code may repeat what was sent: it is left
// out.
func tokenError(err error) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		if errors.Is(err, context.DeadlineExceeded) {
			return social.Temporary(errors.New("token endpoint: no answer in time"))
		}
		return social.Temporary(fmt.Errorf("token endpoint: %w", err))
	}
	said := fmt.Errorf("token endpoint: status %d, error %q", refused.Response.StatusCode, clip(refused.ErrorCode))
	switch {
	case refused.ErrorCode == "invalid_client" || refused.ErrorCode == "unauthorized_client" || refused.Response.StatusCode == http.StatusUnauthorized:
		return social.Misconfigured(said)
	case refused.Response.StatusCode >= http.StatusInternalServerError || refused.Response.StatusCode == http.StatusTooManyRequests:
		return social.Temporary(said)
	default:
		return social.Invalid(said)
	}
}

func clip(s string) string {
	const limit = 64
	if len(s) > limit {
		return s[:limit]
	}
	return s
}

// identity verifies the ID token (OpenID Connect Core §3.1.3.7) and asks
// userinfo for what is not in it.
func (p *provider) identity(ctx context.Context, m *metadata, token *oauth2.Token, nonce string) (social.Identity, error) {
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return social.Identity{}, social.Invalid(errors.New("the provider sent no ID token"))
	}
	verified, err := m.verifier.Verify(ctx, raw)
	if err != nil {
		return social.Identity{}, verifyError(err)
	}
	// Hashes have one length: the comparison tells nothing of either.
	want, got := sha256.Sum256([]byte(nonce)), sha256.Sum256([]byte(verified.Nonce))
	if nonce == "" || subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
		return social.Identity{}, social.Invalid(errors.New("the ID token has another nonce"))
	}
	if verified.AccessTokenHash != "" {
		if err := verified.VerifyAccessToken(token.AccessToken); err != nil {
			return social.Identity{}, social.Invalid(fmt.Errorf("ID token: %w", err))
		}
	}
	var said claims
	if err := said.read(verified.Claims); err != nil {
		return social.Identity{}, social.Invalid(fmt.Errorf("ID token: %w", err))
	}
	if azp := said.AuthorizedParty; (azp != "" && azp != p.config.ClientID) || (azp == "" && len(verified.Audience) > 1) {
		return social.Identity{}, social.Invalid(errors.New("the ID token was made for another party (azp)"))
	}
	if said.Email == "" && m.provider.UserInfoEndpoint() != "" {
		more, err := userInfo(ctx, m, token, verified.Subject)
		if err != nil {
			return social.Identity{}, err
		}
		said.fill(more)
	}
	return said.identity(verified.Issuer, verified.Subject, p.config.EmailVerifiedDefault), nil
}

// verifyError tells a token that is wrong from keys that can't be fetched.
func verifyError(err error) error {
	var expired *oidc.TokenExpiredError
	if errors.As(err, &expired) {
		return social.Invalid(errors.New("the ID token has expired"))
	}
	if isUnreachable(err) {
		return social.Temporary(fmt.Errorf("keys of the provider: %w", err))
	}
	return social.Invalid(fmt.Errorf("ID token: %w", err))
}

// userInfo asks the userinfo endpoint (OpenID Connect Core §5.3).
func userInfo(ctx context.Context, m *metadata, token *oauth2.Token, subject string) (claims, error) {
	info, err := m.provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return claims{}, social.Temporary(fmt.Errorf("userinfo: %w", err))
	}
	// §5.3.2: of another person it must not be used.
	if info.Subject != subject {
		return claims{}, social.Invalid(errors.New("userinfo is about another person"))
	}
	var said claims
	if err := said.read(info.Claims); err != nil {
		return claims{}, social.Invalid(fmt.Errorf("userinfo: %w", err))
	}
	return said, nil
}
