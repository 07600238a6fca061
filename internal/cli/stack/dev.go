package stack

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	gatewayconfig "gatehouse.example/gateway/config"
	"gatehouse.example/internal/config"
	"gatehouse.example/internal/mtls"
	auth "gatehouse.example/services/auth/app"
)

// Bootstrap is what "dev" leaves in bootstrap.json for scripts and for the CLI.
type Bootstrap struct {
	Issuer        string `json:"issuer"`
	AdminSetupURL string `json:"admin_setup_url"`
	ClientID      string `json:"client_id"`
	ClientSecret  string `json:"client_secret"`
}

// client is the client that lives only in this process; nil outside "dev".
func (b Bootstrap) client() *auth.BootstrapClient {
	if b.ClientID == "" {
		return nil
	}
	return &auth.BootstrapClient{ClientID: b.ClientID, ClientSecret: b.ClientSecret}
}

// Bootstrap returns what was written to bootstrap.json.
func (s *Stack) Bootstrap() Bootstrap { return s.bootstrap }

// Dev starts everything in this process: a supervised PostgreSQL and an
// embedded NATS server unless existing ones are configured, the services with
// mutual TLS between them, and the gateway. On an error nothing is left
// running.
func Dev(ctx context.Context, o Options) (_ *Stack, err error) {
	release, err := lockDataFolder(o.Config.Data)
	if err != nil {
		return nil, err
	}
	s, err := newStack(ctx, o, "gatehouse")
	if err != nil {
		release()
		return nil, err
	}
	s.parts = append([]part{{"data folder", func(context.Context) error { release(); return nil }}}, s.parts...)
	defer s.stopOnError(&err)
	s.addresses.PID = os.Getpid()
	if err := s.settlePorts(o.IssuerGiven); err != nil {
		return nil, err
	}
	if err := s.bind(PartUser, PartAuth, PartEmail, PartGraph); err != nil {
		return nil, err
	}
	cfg := s.cfg
	cfg.Email.DevMailbox = true
	s.authority, err = mtls.LoadOrCreateAuthority(cfg.ResolveData(cfg.TLS.CA), cfg.ResolveData(cfg.TLS.CAKey), cfg.TLS.TrustDomain, time.Now())
	if err != nil {
		return nil, adviseData(cfg.Data, err)
	}
	s.bootstrap = Bootstrap{Issuer: cfg.Issuer, ClientID: "bootstrap", ClientSecret: rand.Text()}
	if err := s.startFoundations(ctx); err != nil {
		return nil, err
	}
	for _, part := range []string{PartUser, PartAuth, PartEmail} {
		if err := s.startService(ctx, part); err != nil {
			return nil, adviseData(cfg.Data, err)
		}
	}
	if err := s.startGraph(ctx); err != nil {
		return nil, err
	}
	certificate, err := s.authority.IssueServer([]string{"localhost", "127.0.0.1", "::1"}, devCertificateTTL)
	if err != nil {
		return nil, err
	}
	return s, adviseData(cfg.Data, s.startGateway(ctx, &certificate))
}

// startFoundations starts PostgreSQL and NATS at the same time.
func (s *Stack) startFoundations(ctx context.Context) error {
	var group errgroup.Group
	group.Go(func() error { return s.startPostgres(ctx) })
	group.Go(s.startNATS)
	return group.Wait()
}

// settlePorts chooses free ports where the gateway's are 0, follows with the
// services' and admin's ports that nobody set, and with the issuer.
func (s *Stack) settlePorts(issuerGiven bool) error {
	cfg, defaults := s.cfg, config.Default()
	file, err := gatewayconfig.Load(cfg.ResolveFile(cfg.Gateway.File))
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: name the folder of gatehouse.yaml and gateway.yaml with --config, or the file with gateway.file", err)
	}
	if err != nil {
		return err
	}
	free := false
	for _, l := range file.Listeners {
		setting, flag := &cfg.Gateway.Listen, "--http"
		if l.TLS != nil {
			setting, flag = &cfg.Gateway.ListenTLS, "--https"
		}
		if *setting == "" {
			*setting = l.Address
		}
		dynamic, err := settle(setting, flag)
		if err != nil {
			return err
		}
		free = free || dynamic
	}
	if free {
		for setting, standard := range map[*string]string{
			&cfg.Auth.Listen: defaults.Auth.Listen, &cfg.User.Listen: defaults.User.Listen,
			&cfg.Email.Listen: defaults.Email.Listen, &cfg.Graph.Listen: defaults.Graph.Listen,
			&cfg.Gateway.AdminListen: defaults.Gateway.AdminListen,
		} {
			if *setting == standard {
				*setting = "127.0.0.1:0"
			}
		}
	}
	if cfg.Gateway.AdminListen != "" {
		if _, err := settle(&cfg.Gateway.AdminListen, "gateway.admin_listen"); err != nil {
			return err
		}
	}
	if _, port, err := net.SplitHostPort(cfg.Gateway.Listen); err == nil && !issuerGiven && cfg.Issuer == defaults.Issuer {
		cfg.Issuer = "http://localhost:" + port
	}
	return nil
}

// settle checks that an address is free, and replaces port 0 by a free one.
func settle(address *string, flag string) (dynamic bool, err error) {
	ln, err := listen(*address, flag)
	if err != nil {
		return false, err
	}
	defer ln.Close()
	host, port, err := net.SplitHostPort(*address)
	if err != nil || port != "0" {
		return false, err
	}
	chosen := ln.Addr().(*net.TCPAddr).Port // a TCP listener has a TCP address
	*address = net.JoinHostPort(host, strconv.Itoa(chosen))
	return true, nil
}

// Publish writes bootstrap.json and addresses.json, once everything is ready.
func (s *Stack) Publish(ctx context.Context) error {
	link, err := s.setupLink(ctx)
	if err != nil {
		return fmt.Errorf("set-up link: %w", err)
	}
	s.bootstrap.AdminSetupURL = link
	for name, v := range map[string]any{"bootstrap.json": s.bootstrap, "addresses.json": s.addresses} {
		text, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			return err
		}
		if err := writePrivate(filepath.Join(s.cfg.Data, name), append(text, '\n')); err != nil {
			return adviseData(s.cfg.Data, err)
		}
	}
	return nil
}
