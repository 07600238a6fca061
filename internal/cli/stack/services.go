package stack

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"gatehouse.example/internal/api"
	"gatehouse.example/internal/api/authapi"
	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/config"
	"gatehouse.example/internal/mtls"
	"gatehouse.example/internal/pluginhost"
	auth "gatehouse.example/services/auth/app"
	email "gatehouse.example/services/email/app"
	user "gatehouse.example/services/user/app"
)

// startService opens what the service needs, assembles it and serves it on the
// listener that was bound for it.
func (s *Stack) startService(ctx context.Context, part string) error {
	bundle, tele, err := s.identityOf(ctx, part)
	if err != nil {
		return err
	}
	db, err := s.openDatabase(ctx, part, s.section(part).DatabaseURL)
	if err != nil {
		return err
	}
	events, err := s.connectBus(ctx, part)
	if err != nil {
		return err
	}
	var svc service
	switch part {
	case PartUser:
		section := s.cfg.User
		section.ProfileSchema = s.cfg.ResolveFile(section.ProfileSchema)
		section.PreferenceSchemas = s.cfg.ResolveFile(section.PreferenceSchemas)
		svc, err = user.New(ctx, user.Options{
			Config: section, Issuer: s.cfg.Issuer, Environment: s.cfg.Environment, DataDir: s.cfg.Data, Version: s.version,
			DB: db, Bus: events, Verifier: s.verifier(bundle), Logger: tele.Logger, Registry: tele.Registry, Now: time.Now,
		})
	case PartAuth:
		var a *auth.App
		a, err = s.newAuth(ctx, auth.Options{
			Config: s.cfg.Auth, Issuer: s.cfg.Issuer, Environment: s.cfg.Environment, DataDir: s.cfg.Data,
			DB: db, Bus: events, Verifier: s.verifier(bundle), Users: s.users(bundle), Logger: tele.Logger, Registry: tele.Registry, Now: time.Now,
			BootstrapClient: s.bootstrap.client(),
		})
		s.setupLink = a.SetupLink
		svc = a
	case PartEmail:
		svc, err = s.newEmail(ctx, email.Options{
			Config: s.cfg.Email, Issuer: s.cfg.Issuer, Environment: s.cfg.Environment, DataDir: s.cfg.Data,
			DB: db, Bus: events, Verifier: s.verifier(bundle), Logger: tele.Logger, Registry: tele.Registry, Now: time.Now,
		}, bundle)
	default:
		return fmt.Errorf("unknown service %q", part)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", part, err)
	}
	s.apps = append(s.apps, named{part, svc.Ready})
	s.serve(part, svc, s.services[part], bundle, tele)
	return nil
}

// newAuth starts a plugin host if there is a provider to run in it.
func (s *Stack) newAuth(ctx context.Context, o auth.Options) (*auth.App, error) {
	if len(o.Config.Providers) > 0 {
		dir, err := s.pluginDirectory()
		if err != nil {
			return nil, err
		}
		// A person waits for each call, and the request for no more than 10 s.
		o.Plugins, err = pluginhost.New(pluginhost.Options{Directory: dir, Logger: o.Logger, Registry: o.Registry, CallTimeout: 8 * time.Second})
		if err != nil {
			return nil, err
		}
		s.onStop("plugins of auth", o.Plugins.Stop)
	}
	return auth.New(ctx, o)
}

func (s *Stack) newEmail(ctx context.Context, o email.Options, bundle *mtls.Bundle) (*email.App, error) {
	dir, err := s.pluginDirectory()
	if err != nil {
		return nil, err
	}
	o.Plugins, err = pluginhost.New(pluginhost.Options{Directory: dir, Logger: o.Logger, Registry: o.Registry})
	if err != nil {
		return nil, err
	}
	s.onStop("plugins", o.Plugins.Stop)
	if templates := s.cfg.ResolveFile(s.cfg.Email.Templates); templates != "" {
		_, err := os.Stat(templates)
		switch {
		case err == nil:
			o.Templates = os.DirFS(templates)
		case s.cfg.Email.Templates != config.Default().Email.Templates:
			return nil, fmt.Errorf("email.templates: %w", err)
		}
	}
	o.Auth = s.auth(bundle)
	o.Users = s.users(bundle)
	return email.New(ctx, o)
}

// pluginDirectory is where plugin executables are.
func (s *Stack) pluginDirectory() (string, error) {
	if dir := s.cfg.Plugins.Directory; dir != "" {
		return filepath.Abs(dir)
	}
	exe, err := os.Executable()
	if err != nil {
		return "", err
	}
	if exe, err = filepath.EvalSymlinks(exe); err != nil {
		return "", err
	}
	return filepath.Join(filepath.Dir(exe), "plugins"), nil
}

func (s *Stack) client(b *mtls.Bundle, service string) *api.Client {
	address, _ := s.reach(service)
	client, token := s.peer(b, service)
	return api.New(api.Options{Base: base(address), HTTP: client, Token: token})
}

func (s *Stack) users(b *mtls.Bundle) *userapi.Client { return userapi.New(s.client(b, PartUser)) }
func (s *Stack) auth(b *mtls.Bundle) *authapi.Client  { return authapi.New(s.client(b, PartAuth)) }
