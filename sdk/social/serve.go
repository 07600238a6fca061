package social

import (
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	socialv1 "gatehouse.example/pluginspec/social/v1"
	"gatehouse.example/sdk/internal/process"
)

// Serve runs the program as a social sign-in plugin and returns when the host
// is done with it. It is all that main has to do. Started by hand, it says that
// the program is a plugin and exits with status 1.
//
// It makes a logger that the host understands the default of log/slog.
func Serve(p Provider) {
	handshake := plugin.HandshakeConfig{
		ProtocolVersion:  socialv1.ProtocolVersion,
		MagicCookieKey:   socialv1.MagicCookieKey,
		MagicCookieValue: socialv1.MagicCookieValue,
	}
	process.Serve(handshake, socialv1.PluginName, process.PluginEnd{Register: func(s *grpc.Server) {
		socialv1.RegisterSocialProviderServer(s, &server{provider: p})
	}})
}
