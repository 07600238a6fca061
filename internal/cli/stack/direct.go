package stack

import (
	"context"
	"errors"
	"io"
	"time"

	"gatehouse.example/internal/config"
	"gatehouse.example/internal/database"
	auth "gatehouse.example/services/auth/app"
	"gatehouse.example/services/auth/clients"
)

// RegisterClient stores a client in auth's database, without the API: the first
// one of an installation has nobody to ask. Who may open the database may do
// what an administrator may.
func RegisterClient(ctx context.Context, cfg *config.Config, r clients.Registration) (view clients.View, err error) {
	err = onAuthDatabase(ctx, cfg, func(db *database.DB) error {
		view, err = auth.RegisterClient(ctx, db, r)
		return err
	})
	return view, err
}

// InviteAdministrator makes the one-time link with which the first
// administrator sets itself up.
func InviteAdministrator(ctx context.Context, cfg *config.Config) (link string, expires time.Time, err error) {
	now := time.Now()
	err = onAuthDatabase(ctx, cfg, func(db *database.DB) error {
		link, err = auth.NewSetupLink(ctx, db, cfg.Issuer)
		if err == nil && link == "" {
			return errors.New("an administrator was made by a link already; it can give others the role admin")
		}
		return err
	})
	return link, now.Add(auth.SetupLinkLifetime), err
}

func onAuthDatabase(ctx context.Context, cfg *config.Config, do func(*database.DB) error) (err error) {
	s, err := newStack(ctx, Options{Config: cfg, Logs: io.Discard}, "gatehouse")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	db, err := s.openDatabase(ctx, PartAuth, cfg.Auth.DatabaseURL)
	if err != nil {
		return err
	}
	return do(db)
}
