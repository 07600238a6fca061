package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"gatehouse.example/sdk/social"
)

const (
	// metadataLifetime is how long the provider's metadata is used before it is
	// asked for again. While the provider is down the old goes on.
	metadataLifetime = time.Hour
	// retryAfter keeps sign-ins at a provider that is down from each waiting
	// for it.
	retryAfter = time.Second
)

// The algorithms that an ID token may be signed with: what anybody can verify
// with the provider's public keys. "none" and HMAC are not among them.
var algorithms = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA,
}

// metadata is what the provider says of itself (OpenID Connect Discovery §3).
type metadata struct {
	provider *oidc.Provider
	verifier *oidc.IDTokenVerifier
	oauth    oauth2.Config
	// issInResponse says that every authorization response names the issuer
	// (RFC 9207 §3).
	issInResponse bool
	until         time.Time
}

// catalogue asks for metadata when it is needed first, and keeps it.
type catalogue struct {
	config config
	client *http.Client
	now    func() time.Time

	mu      sync.Mutex
	current *metadata
	// failed is the last attempt's error and when it was.
	failed   error
	failedAt time.Time
}

// get returns the metadata. One caller asks, the others wait for its answer.
func (c *catalogue) get(ctx context.Context) (*metadata, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if c.current != nil && now.Before(c.current.until) {
		return c.current, nil
	}
	if c.failed == nil || now.Sub(c.failedAt) >= retryAfter {
		fresh, err := c.discover(context.WithoutCancel(ctx))
		if err == nil {
			c.current, c.failed = fresh, nil
			return fresh, nil
		}
		c.failed, c.failedAt = err, c.now()
	}
	if c.current != nil {
		return c.current, nil
	}
	return nil, c.failed
}

func (c *catalogue) discover(ctx context.Context) (*metadata, error) {
	p, err := oidc.NewProvider(oidc.ClientContext(ctx, c.client), c.config.Issuer)
	var mismatch *oidc.IssuerMismatchError
	if errors.As(err, &mismatch) {
		return nil, social.Misconfigured(err)
	}
	if err != nil {
		return nil, social.Temporary(fmt.Errorf("discovery: %w", err))
	}
	var said struct {
		JWKSURI       string   `json:"jwks_uri"`
		Methods       []string `json:"token_endpoint_auth_methods_supported"`
		Algorithms    []string `json:"id_token_signing_alg_values_supported"`
		IssInResponse bool     `json:"authorization_response_iss_parameter_supported"`
	}
	if err := p.Claims(&said); err != nil {
		return nil, social.Temporary(fmt.Errorf("discovery: %w", err))
	}
	endpoint := p.Endpoint()
	urls := []string{endpoint.AuthURL, endpoint.TokenURL, said.JWKSURI}
	if u := p.UserInfoEndpoint(); u != "" {
		urls = append(urls, u)
	}
	for _, u := range urls {
		if err := c.config.checkURL(u); err != nil {
			return nil, social.Misconfigured(fmt.Errorf("discovery: %w", err))
		}
	}
	accepted := slices.DeleteFunc(slices.Clone(algorithms), func(alg string) bool { return !slices.Contains(said.Algorithms, alg) })
	if len(accepted) == 0 {
		accepted = []string{oidc.RS256} // OpenID Connect Core §3.1.3.7: the default
	}
	endpoint.AuthStyle = c.authStyle(said.Methods)
	return &metadata{
		provider: p,
		verifier: p.Verifier(&oidc.Config{ClientID: c.config.ClientID, SupportedSigningAlgs: accepted, Now: c.now}),
		oauth: oauth2.Config{
			ClientID: c.config.ClientID, ClientSecret: c.config.ClientSecret, Endpoint: endpoint, Scopes: c.config.Scopes,
		},
		issInResponse: said.IssInResponse,
		until:         c.now().Add(metadataLifetime),
	}, nil
}

// authStyle never is the library's guess, which would spend the code on it.
func (c *catalogue) authStyle(offered []string) oauth2.AuthStyle {
	method := c.config.TokenEndpointAuthMethod
	if method == "" {
		method = methodBasic // OpenID Connect Discovery §3: the default
		if len(offered) > 0 && !slices.Contains(offered, methodBasic) {
			method = methodPost
		}
	}
	if method == methodBasic {
		return oauth2.AuthStyleInHeader
	}
	return oauth2.AuthStyleInParams
}
