package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"

	"gatehouse.example/internal/api/authapi"
	"gatehouse.example/internal/config"
	"gatehouse.example/internal/pluginhost"
	"gatehouse.example/internal/problem"
	"gatehouse.example/services/email"
)

// directoryMember is the one member of a transport's configuration that this
// service knows: a folder, which it makes absolute, because a plugin has no
// working directory to rely on.
const directoryMember = "directory"

func (a *App) startTransport(ctx context.Context, o Options) (email.Transport, error) {
	chosen, err := transportOf(o)
	if err != nil {
		return nil, err
	}
	settings, err := json.Marshal(chosen.Config)
	if err != nil {
		return nil, fmt.Errorf("email.transports.%s.config: %w", o.Config.Transport, err)
	}
	a.plugin, err = o.Plugins.Start(ctx, pluginhost.Spec{
		Name: chosen.Plugin, Kind: pluginhost.KindMail, SHA256: chosen.SHA256, Config: settings,
	})
	if err != nil {
		return nil, fmt.Errorf("email.transports.%s: %w", o.Config.Transport, err)
	}
	return a.plugin.MailTransport()
}

// transportOf is the configured transport with an absolute directory.
func transportOf(o Options) (config.Transport, error) {
	chosen, ok := o.Config.Transports[o.Config.Transport]
	if !ok {
		return config.Transport{}, fmt.Errorf("email.transport: there is no email.transports.%s", o.Config.Transport)
	}
	settings := map[string]any{}
	maps.Copy(settings, chosen.Config)
	if dir, ok := settings[directoryMember].(string); ok && dir != "" && !filepath.IsAbs(dir) {
		absolute, err := filepath.Abs(filepath.Join(o.DataDir, dir))
		if err != nil {
			return config.Transport{}, err
		}
		settings[directoryMember] = absolute
	}
	chosen.Config = settings
	return chosen, nil
}

func mailboxDir(o Options) (string, error) {
	if o.MailboxDir != "" {
		return o.MailboxDir, nil
	}
	chosen, err := transportOf(o)
	if err != nil {
		return "", err
	}
	dir, _ := chosen.Config[directoryMember].(string)
	if dir == "" {
		return "", fmt.Errorf("email.dev_mailbox: the transport %q keeps no mails in a folder; use a file transport", o.Config.Transport)
	}
	return dir, nil
}

// links asks auth.
type links struct{ auth *authapi.Client }

var _ email.Links = links{}

// Link implements [email.Links].
func (l links) Link(ctx context.Context, challengeID string) (email.Link, error) {
	link, err := l.auth.ChallengeLink(ctx, challengeID)
	if isOver(err) {
		return email.Link{}, fmt.Errorf("%w: %w", email.ErrObsolete, err)
	}
	if err != nil {
		return email.Link{}, err
	}
	return email.Link{URL: link.Link, ExpiresAt: link.ExpiresAt}, nil
}

// isOver reports whether auth itself says that the challenge is gone. A 404
// without its code comes from a wrong address: the mail must wait then.
func isOver(err error) bool {
	var answer *problem.Problem
	if !errors.As(err, &answer) {
		return false
	}
	return answer.Status == http.StatusGone ||
		answer.Status == http.StatusNotFound && answer.Code == authapi.CodeChallengeNotFound
}
