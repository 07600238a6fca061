package pluginhost

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/hashicorp/go-plugin"

	"gatehouse.example/sdk/mail"
	"gatehouse.example/sdk/mail/mailrpc"
)

// contract is what the host needs to know about a kind of plugin.
type contract struct {
	handshake plugin.HandshakeConfig
	plugins   plugin.PluginSet
	name      string
	configure func(ctx context.Context, dispensed any, config json.RawMessage) error
}

func contractOf(kind Kind) (contract, error) {
	contracts := map[Kind]contract{
		KindMail: {
			handshake: mailrpc.Handshake(),
			plugins:   mailrpc.Plugins(),
			name:      mailrpc.Name,
			configure: func(ctx context.Context, dispensed any, config json.RawMessage) error {
				return dispensed.(*mailrpc.Client).Configure(ctx, config)
			},
		},
		KindSocial: socialContract(),
	}
	c, ok := contracts[kind]
	if !ok {
		return contract{}, fmt.Errorf("kind %q: want %q or %q", kind, KindMail, KindSocial)
	}
	return c, nil
}

// MailTransport sends mail through a plugin of [KindMail]. It is safe for
// concurrent use.
type MailTransport struct{ plugin *Plugin }

// MailTransport returns the plugin as a mail transport.
func (p *Plugin) MailTransport() (*MailTransport, error) {
	if p.spec.Kind != KindMail {
		return nil, fmt.Errorf("plugin %q is of kind %q, not %q", p.spec.Name, p.spec.Kind, KindMail)
	}
	return &MailTransport{plugin: p}, nil
}

// Name is the plugin's name in the host.
func (t *MailTransport) Name() string { return t.plugin.Name() }

// Send hands one message over, within the host's call timeout. While the
// plugin is being started again it waits.
//
// # Errors
//
// A failure that the plugin calls permanent satisfies [mail.IsPermanent].
// Everything else, a dead or slow plugin included, may be tried again.
func (t *MailTransport) Send(ctx context.Context, m mail.Message) (receipt mail.Receipt, err error) {
	err = t.plugin.call(ctx, func(ctx context.Context, dispensed any) error {
		receipt, err = dispensed.(*mailrpc.Client).Send(ctx, m)
		return err
	})
	if err != nil {
		return mail.Receipt{}, fmt.Errorf("transport %s: %w", t.plugin.Name(), err)
	}
	return receipt, nil
}
