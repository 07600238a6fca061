package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse.example/gateway/app"
	"gatehouse.example/gateway/wasm"
	"gatehouse.example/gateway/wasm/capability"
	"gatehouse.example/internal/jose"
	"gatehouse.example/plugins/filters"
)

// issuer is the issuer of the tokens that the gateway takes.
const issuer = "https://issuer.example"

// credentials is how many tokens and keys there are.
const credentials = 1000

// gateway runs a gateway of the real parts on a configuration; only the
// authority behind its API keys is its own.
func gateway(ctx context.Context, flags *flag.FlagSet, args []string) (err error) {
	file := flags.String("config", "", "gateway.yaml")
	folder := flags.String("folder", "", "folder for the admin socket and the tokens")
	cache := flags.String("cache", "", "folder of compiled filters")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if profile := os.Getenv("RIG_CPUPROFILE"); profile != "" {
		f, err := os.Create(profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	key, err := jose.GenerateES256()
	if err != nil {
		return err
	}
	if err := writeTokens(filepath.Join(*folder, "tokens"), key); err != nil {
		return err
	}
	logger := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	registry := prometheus.NewRegistry()
	host, err := wasm.New(ctx, wasm.Options{
		CacheDir: *cache,
		Builtin:  filters.Module,
		Tokens:   capability.NewTokenVerifier(capability.TokenOptions{Issuer: issuer, Keys: jose.StaticSet(key)}),
		Keys:     capability.NewKeyVerifier(capability.KeyOptions{Authority: anyKey{}}),
		Logger:   logger, Registry: registry,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.Close(context.Background())) }()
	a, err := app.New(ctx, app.Options{
		ConfigFile: *file, Filters: host, Issuer: issuer, Logger: logger, Registry: registry,
		AdminListen: "127.0.0.1:0", AdminSocket: filepath.Join(*folder, "admin.sock"),
	})
	if err != nil {
		return err
	}
	if err := say(map[string]string{"http": a.Addresses().HTTP, "admin": a.Addresses().Admin}); err != nil {
		return err
	}
	return a.Run(ctx)
}

// writeTokens writes one access token a line.
func writeTokens(file string, key jose.Key) error {
	var text []byte
	for i := range credentials {
		now := time.Now()
		token, err := jose.Sign(key, "at+jwt", jose.Claims{
			Issuer: issuer, Subject: fmt.Sprintf("user-%d", i), ClientID: "rig", ID: fmt.Sprintf("token-%d", i),
			Scope: "openid", Audience: []string{"gatehouse"}, IssuedAt: now, ExpiresAt: now.Add(time.Hour),
		}, nil)
		if err != nil {
			return err
		}
		text = append(append(text, token...), '\n')
	}
	return os.WriteFile(file, text, 0o600)
}

// anyKey takes every well formed API key.
type anyKey struct{}

func (anyKey) VerifyAPIKey(_ context.Context, key string) (capability.APIKey, error) {
	return capability.APIKey{ID: fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(key))), OwnerKind: "client", OwnerID: "rig"}, nil
}
