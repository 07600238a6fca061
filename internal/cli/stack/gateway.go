package stack

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	gateway "gatehouse.example/gateway/app"
	"gatehouse.example/gateway/wasm"
	"gatehouse.example/gateway/wasm/capability"
	"gatehouse.example/internal/api/authapi"
	"gatehouse.example/internal/bus"
	"gatehouse.example/internal/config"
	"gatehouse.example/internal/event"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/jose"
	"gatehouse.example/internal/mtls"
	"gatehouse.example/internal/problem"
	"gatehouse.example/internal/telemetry"
	"gatehouse.example/plugins/filters"
)

// startGateway starts the gateway; certificate is for its TLS listeners of mode
// dev; nil refuses them.
func (s *Stack) startGateway(ctx context.Context, certificate *tls.Certificate) error {
	bundle, tele, err := s.identityOf(ctx, PartGateway)
	if err != nil {
		return err
	}
	events, err := s.connectBus(ctx, PartGateway)
	if err != nil {
		return err
	}
	revoked, err := s.followRevocations(events)
	if err != nil {
		return err
	}
	host, err := s.filterHost(ctx, bundle, events, revoked, tele)
	if err != nil {
		return err
	}
	socket, release, err := bindable(s.cfg.ResolveData(s.cfg.Gateway.AdminSocket))
	if err != nil {
		return err
	}
	s.onStop("admin socket's folder", release)
	g, err := gateway.New(ctx, gateway.Options{
		ConfigFile: s.cfg.ResolveFile(s.cfg.Gateway.File),
		Listen:     s.cfg.Gateway.Listen, ListenTLS: s.cfg.Gateway.ListenTLS,
		AdminListen: s.cfg.Gateway.AdminListen, AdminSocket: socket,
		DevCertificate: certificate, Bundle: bundle, Resolve: s.reach, Filters: host, Issuer: s.cfg.Issuer,
		Logger: tele.Logger, Registry: tele.Registry, Tracer: tele.Tracer, Now: time.Now,
	})
	if err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	s.apps = append(s.apps, named{PartGateway, g.Ready})
	at := g.Addresses()
	s.addresses.HTTP, s.addresses.HTTPS, s.addresses.Admin = at.HTTP, at.HTTPS, at.Admin
	s.keepGateway(g)
	return nil
}

// keepGateway runs the gateway; without its listeners the process is useless.
func (s *Stack) keepGateway(g *gateway.App) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := g.Run(ctx); err != nil && ctx.Err() == nil {
			s.fail(fmt.Errorf("gateway: %w", err))
		}
	}()
	s.onStop(PartGateway, func(stop context.Context) error {
		cancel()
		select {
		case <-done:
			return nil
		case <-stop.Done():
			return stop.Err()
		}
	})
}

// followRevocations loads what was revoked before the gateway serves anybody.
func (s *Stack) followRevocations(events *bus.Bus) (*bus.Revocations, error) {
	ctx, cancel := context.WithCancel(context.Background())
	revoked, err := bus.FollowRevocations(ctx, events)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("gateway: %w", err)
	}
	s.onStop("revocations", func(context.Context) error { cancel(); return nil })
	return revoked, nil
}

// filterHost gives filters the capabilities that auth stands behind.
func (s *Stack) filterHost(ctx context.Context, bundle *mtls.Bundle, events *bus.Bus, revoked *bus.Revocations, tele *telemetry.Telemetry) (*wasm.Host, error) {
	authority := s.auth(bundle)
	keys := capability.NewKeyVerifier(capability.KeyOptions{
		Authority: keyAuthority{authority}, Environment: s.cfg.Environment, Revocations: revoked,
	})
	if err := s.forgetKeys(events, keys); err != nil {
		return nil, err
	}
	limiter, err := s.limiter(ctx, tele)
	if err != nil {
		return nil, err
	}
	own := jose.NewRemoteSet(jose.RemoteOptions{Fetch: authority.JWKS})
	tokens := capability.NewTokenVerifier(capability.TokenOptions{
		Issuer: s.cfg.Issuer, Keys: own, Revocations: revoked, Leeway: 5 * time.Second,
		BaseDir: filepath.Dir(s.cfg.ResolveFile(s.cfg.Gateway.File)),
	})
	s.onStop("tokens", func(context.Context) error { tokens.Close(); own.Close(); return nil })
	host, err := wasm.New(ctx, wasm.Options{
		CacheDir: filterCache(s.cfg),
		Builtin:  filters.Module,
		Limiter:  limiter,
		Tokens:   tokens,
		Keys:     keys,
		Logger:   tele.Logger, Registry: tele.Registry,
	})
	if err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	s.onStop("filters", host.Close)
	return host, nil
}

// limiter counts for the limits of filters, where it is configured with Redis
// or Valkey for all gateways together. That need not be reachable.
func (s *Stack) limiter(ctx context.Context, tele *telemetry.Telemetry) (*capability.Limiter, error) {
	if s.cfg.Gateway.RedisURL == "" {
		return capability.NewLimiter(capability.LimiterOptions{}), nil
	}
	store, err := capability.NewRedisLimits(ctx, capability.RedisOptions{
		URL: s.cfg.Gateway.RedisURL.Reveal(), Namespace: s.cfg.Environment, Logger: tele.Logger, Registry: tele.Registry,
	})
	if err != nil {
		return nil, fmt.Errorf("gateway.redis_url: %w", err)
	}
	s.onStop("store of limits", func(context.Context) error { return store.Close() })
	return capability.NewLimiter(capability.LimiterOptions{Store: store}), nil
}

// forgetKeys makes the gateway ask again for API keys whose owner may do
// something else by now. A notice that is lost delays that by the minute for
// which a key is remembered.
func (s *Stack) forgetKeys(events *bus.Bus, keys *capability.KeyVerifier) error {
	ctx, cancel := context.WithCancel(context.Background())
	s.onStop("notices", func(context.Context) error { cancel(); return nil })
	err := errors.Join(
		events.Subscribe(ctx, event.NoticePrincipals, func(data []byte) {
			kind, id, _ := strings.Cut(string(data), " ")
			keys.Forget(identity.Kind(kind), id)
		}),
		events.Subscribe(ctx, event.NoticeRoles, func([]byte) { keys.Forget("", "") }),
	)
	if err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	return nil
}

// filterCache is where compiled filters are kept: where the configuration says,
// in the user's cache, or where there is none, in the data folder.
func filterCache(cfg *config.Config) string {
	if cfg.Gateway.FilterCache != "" {
		return cfg.ResolveData(cfg.Gateway.FilterCache)
	}
	if dir, err := os.UserCacheDir(); err == nil {
		shared := filepath.Join(dir, "gatehouse", "filters")
		// Accounts of services often have a home that is not there.
		if os.MkdirAll(shared, 0o700) == nil && unix.Access(shared, unix.W_OK) == nil {
			return shared
		}
	}
	return cfg.ResolveData("cache/filters")
}

// keyAuthority asks auth for API keys.
type keyAuthority struct{ auth *authapi.Client }

var _ capability.KeyAuthority = keyAuthority{}

// VerifyAPIKey implements capability.KeyAuthority.
func (k keyAuthority) VerifyAPIKey(ctx context.Context, key string) (capability.APIKey, error) {
	v, err := k.auth.VerifyAPIKey(ctx, key)
	if problem.HasStatus(err, http.StatusNotFound) {
		return capability.APIKey{}, capability.ErrKeyInvalid
	}
	if err != nil {
		return capability.APIKey{}, err
	}
	found := capability.APIKey{ID: v.ID, RevocationID: v.RevocationID, OwnerKind: v.OwnerKind, OwnerID: v.OwnerID, Scopes: v.Scopes, Roles: v.Roles, Permissions: v.Permissions}
	if v.ExpiresAt != nil {
		found.ExpiresAt = *v.ExpiresAt
	}
	return found, nil
}
