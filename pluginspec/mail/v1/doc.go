// Package mailv1 owns the wire contract of mail transport plugins, major
// version 1: the protobuf service MailTransport, its generated Go code, and the
// constants of the handshake that both ends must agree on.
//
// It holds no behaviour. Authors of plugins use gatehouse.example/sdk/mail,
// the host is internal/pluginhost.
package mailv1

// The handshake of hashicorp/go-plugin. A binary that is started without the
// cookie says that it is a plugin and exits; the cookie is no secret.
const (
	// ProtocolVersion is negotiated at start; it is this package's major version.
	ProtocolVersion = 1
	// MagicCookieKey is the environment variable of the cookie.
	MagicCookieKey = "GATEHOUSE_MAIL_PLUGIN"
	// MagicCookieValue is its value.
	MagicCookieValue = "8d1f0c52-mail-transport"
	// PluginName names the service in go-plugin's plugin set.
	PluginName = "mail"
)
