// Package mailrpc owns the host's end of the wire to a mail transport plugin:
// the go-plugin handshake and a client that speaks pluginspec/mail/v1 and looks
// like a [mail.Transport].
//
// It starts no process and holds no policy; Gatehouse's plugin host and the
// conformance kit do. Authors of transports do not need it.
package mailrpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	mailv1 "gatehouse.example/pluginspec/mail/v1"
	"gatehouse.example/sdk/internal/process"
	"gatehouse.example/sdk/mail"
)

// Name is the plugin's name in a go-plugin plugin set.
const Name = mailv1.PluginName

// Handshake is what both ends agree on before they speak.
func Handshake() plugin.HandshakeConfig {
	return plugin.HandshakeConfig{
		ProtocolVersion:  mailv1.ProtocolVersion,
		MagicCookieKey:   mailv1.MagicCookieKey,
		MagicCookieValue: mailv1.MagicCookieValue,
	}
}

// Plugins is the plugin set of a host; dispensing [Name] gives a [*Client].
func Plugins() plugin.PluginSet {
	return plugin.PluginSet{Name: process.HostEnd{NewClient: func(conn grpc.ClientConnInterface) any { return NewClient(conn) }}}
}

// Client calls a transport in another process. It is safe for concurrent use.
type Client struct{ rpc mailv1.MailTransportClient }

var _ mail.Transport = (*Client)(nil)

// NewClient returns a client that speaks over conn.
func NewClient(conn grpc.ClientConnInterface) *Client {
	return &Client{rpc: mailv1.NewMailTransportClient(conn)}
}

// Describe asks the plugin what it is.
func (c *Client) Describe(ctx context.Context) (mail.Description, error) {
	out, err := c.rpc.Describe(ctx, &mailv1.DescribeRequest{})
	if err != nil {
		return mail.Description{}, fmt.Errorf("describe: %w", err)
	}
	return mail.Description{Name: out.GetName(), Version: out.GetVersion()}, nil
}

// Configure hands the configuration over. A configuration that the plugin
// refuses is a permanent error ([mail.IsPermanent]).
func (c *Client) Configure(ctx context.Context, config json.RawMessage) error {
	_, err := c.rpc.Configure(ctx, &mailv1.ConfigureRequest{ConfigJson: config})
	if status.Code(err) == codes.InvalidArgument {
		return mail.Permanent(fmt.Errorf("configuration refused: %s", status.Convert(err).Message()))
	}
	return err
}

// Send hands one message over. A broken connection is a temporary error.
func (c *Client) Send(ctx context.Context, m mail.Message) (mail.Receipt, error) {
	out, err := c.rpc.Send(ctx, &mailv1.SendRequest{
		IdempotencyKey: m.IdempotencyKey,
		Envelope:       &mailv1.Envelope{From: m.Envelope.From, To: m.Envelope.To},
		Raw:            m.Raw,
	})
	if err != nil {
		return mail.Receipt{}, mail.Temporary(err)
	}
	switch outcome := out.GetOutcome().(type) {
	case *mailv1.SendResponse_Receipt:
		return mail.Receipt{ProviderID: outcome.Receipt.GetProviderId()}, nil
	case *mailv1.SendResponse_Failure:
		err := errors.New(outcome.Failure.GetReason())
		permanent := outcome.Failure.GetKind() == mailv1.Failure_KIND_PERMANENT
		if permanent && outcome.Failure.GetRecipientRefused() {
			return mail.Receipt{}, mail.RecipientRefused(err)
		}
		if permanent {
			return mail.Receipt{}, mail.Permanent(err)
		}
		return mail.Receipt{}, mail.Temporary(err)
	default:
		return mail.Receipt{}, mail.Temporary(errors.New("transport answered without an outcome"))
	}
}
