// Package socialv1 owns the wire contract of social sign-in plugins, major
// version 1: the protobuf service SocialProvider, its generated Go code, and the
// constants of the handshake that both ends must agree on.
//
// It holds no behaviour. Authors of plugins use gatehouse.example/sdk/social,
// the host is internal/pluginhost.
package socialv1

// The handshake of hashicorp/go-plugin. A binary that is started without the
// cookie says that it is a plugin and exits; the cookie is no secret.
const (
	// ProtocolVersion is negotiated at start; it is this package's major version.
	ProtocolVersion = 1
	// MagicCookieKey is the environment variable of the cookie.
	MagicCookieKey = "GATEHOUSE_SOCIAL_PLUGIN"
	// MagicCookieValue is its value.
	MagicCookieValue = "3b7e9f14-social-provider"
	// PluginName names the service in go-plugin's plugin set.
	PluginName = "social"
)

// Limits that the host enforces on what a plugin answers, in bytes.
const (
	MaxURLBytes     = 8 << 10
	MaxIssuerBytes  = 512
	MaxSubjectBytes = 255
	// MaxEmailBytes is the longest path of RFC 5321 §4.5.3.1.3 without its
	// angle brackets.
	MaxEmailBytes   = 254
	MaxTextBytes    = 512
	MaxPictureBytes = 2 << 10
	MaxClaimsBytes  = 64 << 10
)
