package stack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	gatewayconfig "gatehouse.example/gateway/config"
	"gatehouse.example/gateway/proxy"
	"gatehouse.example/gateway/reload"
	"gatehouse.example/gateway/wasm"
	"gatehouse.example/gateway/wasm/capability"
	"gatehouse.example/internal/config"
	"gatehouse.example/internal/jose"
	"gatehouse.example/plugins/filters"
)

// CheckGateway finds out what a gateway of cfg would say of file, without one
// that runs: it builds and starts every filter. Nobody is asked for anything
// but https modules that were never fetched.
//
// # Errors
//
// One line for each thing that is wrong, with file, line and column.
func CheckGateway(ctx context.Context, cfg *config.Config, file string, logger *slog.Logger) (g *gatewayconfig.Gateway, err error) {
	host, err := IdleFilterHost(ctx, cfg, file, logger)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, host.Close(context.WithoutCancel(ctx))) }()
	s := &Stack{infrastructure: infrastructure{cfg: cfg}}
	return reload.Check(ctx, reload.Options{
		File: file, Filters: host, Logger: logger,
		NewUpstream: func(u gatewayconfig.Upstream) (*proxy.Upstream, error) {
			for _, t := range u.Targets {
				if _, ok := s.reach(t.Service); t.Service != "" && !ok {
					return nil, fmt.Errorf("there is no service %q, or its address is not configured", t.Service)
				}
			}
			return nil, nil
		},
	})
}

// IdleFilterHost returns a host that compiles and starts filters as the
// gateway's does, but serves no request: its policies of tokens, keys and
// shared limits are checked, and lead to nobody. file is the gateway's
// configuration. The caller closes it.
func IdleFilterHost(ctx context.Context, cfg *config.Config, file string, logger *slog.Logger) (*wasm.Host, error) {
	base, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return nil, fmt.Errorf("folder of %s: %w", file, err)
	}
	limits := capability.LimiterOptions{}
	if cfg.Gateway.RedisURL != "" {
		limits.Store = nobody{}
	}
	return wasm.New(ctx, wasm.Options{
		CacheDir: filterCache(cfg),
		Builtin:  filters.Module,
		Limiter:  capability.NewLimiter(limits),
		Tokens: capability.NewTokenVerifier(capability.TokenOptions{
			Issuer: cfg.Issuer, Keys: jose.StaticSet(), BaseDir: base,
		}),
		Keys:   capability.NewKeyVerifier(capability.KeyOptions{Authority: nobody{}, Environment: cfg.Environment}),
		Logger: logger,
	})
}

// nobody stands for what is asked only when there are requests.
type nobody struct{}

var (
	_ capability.KeyAuthority = nobody{}
	_ capability.LimitStore   = nobody{}

	errNobody = errors.New("a check asks nobody")
)

// VerifyAPIKey implements capability.KeyAuthority.
func (nobody) VerifyAPIKey(context.Context, string) (capability.APIKey, error) {
	return capability.APIKey{}, errNobody
}

// Take implements capability.LimitStore.
func (nobody) Take(context.Context, *capability.LimitPolicy, []byte, uint32, []capability.Limit) error {
	return errNobody
}

// AdminSocket returns a path at which the admin socket of cfg's gateway can be
// reached until release is called.
func AdminSocket(cfg *config.Config) (path string, release func(context.Context) error, err error) {
	return bindable(cfg.ResolveData(cfg.Gateway.AdminSocket))
}
