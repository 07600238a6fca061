// Package socialrpc owns the host's end of the wire to a social sign-in plugin:
// the go-plugin handshake and a client that speaks pluginspec/social/v1 and
// looks like a [social.Provider].
//
// It starts no process and holds no policy; Gatehouse's plugin host and the
// conformance kit do. Authors of providers do not need it.
package socialrpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	socialv1 "gatehouse.example/pluginspec/social/v1"
	"gatehouse.example/sdk/internal/process"
	"gatehouse.example/sdk/social"
)

// Name is the plugin's name in a go-plugin plugin set.
const Name = socialv1.PluginName

// Handshake is what both ends agree on before they speak.
func Handshake() plugin.HandshakeConfig {
	return plugin.HandshakeConfig{
		ProtocolVersion:  socialv1.ProtocolVersion,
		MagicCookieKey:   socialv1.MagicCookieKey,
		MagicCookieValue: socialv1.MagicCookieValue,
	}
}

// Plugins is the plugin set of a host; dispensing [Name] gives a [*Client].
func Plugins() plugin.PluginSet {
	return plugin.PluginSet{Name: process.HostEnd{NewClient: func(conn grpc.ClientConnInterface) any { return NewClient(conn) }}}
}

// Client calls a provider in another process. It is safe for concurrent use.
type Client struct{ rpc socialv1.SocialProviderClient }

var _ social.Provider = (*Client)(nil)

// NewClient returns a client that speaks over conn.
func NewClient(conn grpc.ClientConnInterface) *Client {
	return &Client{rpc: socialv1.NewSocialProviderClient(conn)}
}

// Describe asks the plugin what it is.
func (c *Client) Describe(ctx context.Context) (social.Description, error) {
	out, err := c.rpc.Describe(ctx, &socialv1.DescribeRequest{})
	if err != nil {
		return social.Description{}, fmt.Errorf("describe: %w", err)
	}
	return social.Description{Name: out.GetName(), Version: out.GetVersion(), Capabilities: out.GetCapabilities()}, nil
}

// Configure hands the configuration over. A configuration that the plugin
// refuses is of [social.KindMisconfigured].
func (c *Client) Configure(ctx context.Context, config json.RawMessage) error {
	_, err := c.rpc.Configure(ctx, &socialv1.ConfigureRequest{ConfigJson: config})
	if status.Code(err) == codes.InvalidArgument {
		return social.Misconfigured(fmt.Errorf("configuration refused: %s", status.Convert(err).Message()))
	}
	return err
}

// AuthorizationURL asks where the browser is sent. A broken connection is of
// [social.KindTemporary].
func (c *Client) AuthorizationURL(ctx context.Context, a social.Authorization) (string, error) {
	out, err := c.rpc.AuthorizationURL(ctx, &socialv1.AuthorizationURLRequest{
		State: a.State, Nonce: a.Nonce, RedirectUri: a.RedirectURI, CodeChallenge: a.CodeChallenge, Scopes: a.Scopes,
	})
	if err != nil {
		return "", social.Temporary(err)
	}
	switch outcome := out.GetOutcome().(type) {
	case *socialv1.AuthorizationURLResponse_Url:
		return outcome.Url, nil
	case *socialv1.AuthorizationURLResponse_Failure:
		return "", failed(outcome.Failure)
	default:
		return "", social.Temporary(errors.New("provider answered without an outcome"))
	}
}

// Exchange hands over what came back with the browser. A broken connection is
// of [social.KindTemporary].
func (c *Client) Exchange(ctx context.Context, b social.Callback) (social.Identity, error) {
	in := &socialv1.ExchangeRequest{Code: b.Code, CodeVerifier: b.CodeVerifier, Nonce: b.Nonce, RedirectUri: b.RedirectURI}
	for name, value := range b.Parameters {
		in.Parameters = append(in.Parameters, &socialv1.Parameter{Name: name, Value: value})
	}
	out, err := c.rpc.Exchange(ctx, in)
	if err != nil {
		return social.Identity{}, social.Temporary(err)
	}
	switch outcome := out.GetOutcome().(type) {
	case *socialv1.ExchangeResponse_Identity:
		who := outcome.Identity
		return social.Identity{
			Issuer: who.GetIssuer(), Subject: who.GetSubject(), Email: who.GetEmail(), EmailVerified: who.GetEmailVerified(),
			Name: who.GetName(), GivenName: who.GetGivenName(), FamilyName: who.GetFamilyName(), PreferredUsername: who.GetPreferredUsername(),
			Picture: who.GetPicture(), Locale: who.GetLocale(), Claims: who.GetClaimsJson(),
		}, nil
	case *socialv1.ExchangeResponse_Failure:
		return social.Identity{}, failed(outcome.Failure)
	default:
		return social.Identity{}, social.Temporary(errors.New("provider answered without an outcome"))
	}
}

// failed turns a failure into an error; kinds of a later version are temporary.
func failed(f *socialv1.Failure) error {
	err := errors.New(f.GetReason())
	switch f.GetKind() {
	case socialv1.Failure_KIND_DENIED:
		return social.Denied(err)
	case socialv1.Failure_KIND_INVALID:
		return social.Invalid(err)
	case socialv1.Failure_KIND_MISCONFIGURED:
		return social.Misconfigured(err)
	default:
		return social.Temporary(err)
	}
}
