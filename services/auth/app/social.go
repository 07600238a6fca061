package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/pluginhost"
	"gatehouse.example/services/auth/identities"
	"gatehouse.example/services/auth/postgres"
	"gatehouse.example/services/auth/signedin"
	"gatehouse.example/services/auth/social"
)

// startProviders starts a plugin for each configured provider. One that does
// not start is a wrong configuration; whether the provider itself can be reached
// is found out when somebody signs in.
func startProviders(ctx context.Context, o Options) (social.Catalogue, error) {
	if len(o.Config.Providers) > 0 && o.Plugins == nil {
		return nil, errors.New("auth.providers: there is no plugin host to run them")
	}
	var entries []social.Entry
	for _, name := range slices.Sorted(maps.Keys(o.Config.Providers)) {
		configured := o.Config.Providers[name]
		settings, err := json.Marshal(configured.Config)
		if err != nil {
			return nil, fmt.Errorf("auth.providers.%s.config: %w", name, err)
		}
		if len(configured.Config) == 0 {
			settings = []byte("{}")
		}
		plugin, err := o.Plugins.Start(ctx, pluginhost.Spec{
			Name: name, Kind: pluginhost.KindSocial, Path: configured.Plugin, SHA256: configured.SHA256, Config: settings,
		})
		if err != nil {
			return nil, fmt.Errorf("auth.providers.%s: %w", name, err)
		}
		provider, err := plugin.SocialProvider()
		if err != nil {
			return nil, fmt.Errorf("auth.providers.%s: %w", name, err)
		}
		entries = append(entries, social.Entry{
			Name: name, DisplayName: cmp.Or(configured.DisplayName, name), TrustEmail: configured.TrustEmail, Provider: provider,
		})
	}
	return social.NewCatalogue(entries...), nil
}

// socialParts is what several endpoints of social sign-in share.
type socialParts struct {
	catalogue  social.Catalogue
	identities *postgres.Identities
	endpoint   *social.Endpoint
	pages      *identities.Pages
}

func newSocialParts(ctx context.Context, o Options, p *parts) (*socialParts, error) {
	catalogue, err := startProviders(ctx, o)
	if err != nil {
		return nil, err
	}
	store := postgres.NewIdentities(o.DB)
	endpoint := social.New(social.Options{
		Issuer: o.Issuer, Catalogue: catalogue, Accounts: o.Users, Identities: store, Flows: postgres.NewSocialFlows(o.DB), Mailer: p.challenges,
		Sessions: p.jar, Log: p.records, Pages: p.pages, AllowRegistration: o.Config.AllowRegistration, VerificationLifetime: o.Config.VerificationLifetime,
		Logger: o.Logger, Now: o.Now,
	})
	pages := identities.NewPages(identities.Options{
		Store: store, Catalogue: catalogue, Starter: endpoint, Pages: p.pages, Now: o.Now,
		Proofs: p.proofs,
	})
	return &socialParts{catalogue: catalogue, identities: store, endpoint: endpoint, pages: pages}, nil
}

// socialPages mounts signing in through providers, and what can be done with
// them. Callbacks come from the providers' sites, so those are not protected
// against other sites: their state does that.
func (rt *router) socialPages(o Options, p *parts) {
	s := p.social
	rt.page("/login/start/{provider}", s.endpoint.Start, nil)
	rt.public("/login/callback/{provider}", methods{http.MethodGet: http.HandlerFunc(s.endpoint.Callback), http.MethodPost: http.HandlerFunc(s.endpoint.Posted)})
	rt.page(social.LinkPath, s.endpoint.Prove, nil)
	gate := signedin.New(signedin.Options{Accounts: o.Users, Sessions: p.jar, Pages: p.pages})
	rt.page("/account/identities", nil, gate.Page(s.pages.Unlink))
	rt.page("/account/identities/{provider}", nil, gate.Page(s.pages.Link))
	api := identities.NewAPI(s.identities, s.catalogue, o.Now)
	rt.authenticated("/v1/identities", methods{http.MethodGet: identity.RequireUser(http.HandlerFunc(api.List))})
	rt.authenticated("/v1/identities/{id}", methods{http.MethodDelete: identity.RequireUser(http.HandlerFunc(api.Delete))})
}
