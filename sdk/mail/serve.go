package mail

import (
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	mailv1 "gatehouse.example/pluginspec/mail/v1"
	"gatehouse.example/sdk/internal/process"
)

// Serve runs the program as a mail transport plugin and returns when the host
// is done with it. It is all that main has to do. Started by hand, it says that
// the program is a plugin and exits with status 1.
//
// It makes a logger that the host understands the default of log/slog.
func Serve(t Transport) {
	handshake := plugin.HandshakeConfig{
		ProtocolVersion:  mailv1.ProtocolVersion,
		MagicCookieKey:   mailv1.MagicCookieKey,
		MagicCookieValue: mailv1.MagicCookieValue,
	}
	process.Serve(handshake, mailv1.PluginName, process.PluginEnd{Register: func(s *grpc.Server) {
		mailv1.RegisterMailTransportServer(s, &server{transport: t})
	}})
}
