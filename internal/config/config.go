package config

import (
	"path/filepath"
	"time"
)

// Config is the configuration of every process of an installation. One file
// may serve all of them: each process reads its own section and the shared ones.
type Config struct {
	// Environment names the installation, such as "dev" or "production". It is
	// part of every API key.
	Environment string `yaml:"environment"`
	// Issuer is the public address of the installation and the issuer of its
	// tokens (RFC 8414 §2).
	Issuer string `yaml:"issuer"`
	// Data is the folder for what the process writes.
	Data      string    `yaml:"data"`
	Gateway   Gateway   `yaml:"gateway"`
	Auth      Auth      `yaml:"auth"`
	User      User      `yaml:"user"`
	Email     Email     `yaml:"email"`
	Graph     Graph     `yaml:"graph"`
	Database  Database  `yaml:"database"`
	Bus       Bus       `yaml:"bus"`
	TLS       TLS       `yaml:"tls"`
	Log       Log       `yaml:"log"`
	Telemetry Telemetry `yaml:"telemetry"`
	Plugins   Plugins   `yaml:"plugins"`

	dir string
}

// Gateway configures the gateway's process.
type Gateway struct {
	// File holds listeners, filters and routes; relative to the configuration
	// file's folder.
	File string `yaml:"file"`
	// Listen replaces the addresses of the file's plain listeners; "" keeps them.
	Listen string `yaml:"listen"`
	// ListenTLS replaces the addresses of the file's TLS listeners; "" keeps them.
	ListenTLS string `yaml:"listen_tls"`
	// AdminListen serves metrics and health, read only.
	AdminListen string `yaml:"admin_listen"`
	// AdminSocket is the Unix socket of the admin API; relative to Data.
	AdminSocket string `yaml:"admin_socket"`
	// FilterCache is the private folder of compiled filters; relative to Data.
	// "" is the folder gatehouse/filters in the user's cache folder, which every
	// installation of that user shares.
	FilterCache string `yaml:"filter_cache"`
	// RedisURL is the Redis or Valkey server that counts for limits with store:
	// redis, for all gateways together; "" refuses such limits.
	RedisURL Secret `yaml:"redis_url"`
}

// Service is what the services' sections have in common.
type Service struct {
	// Listen is the address that the service listens on.
	Listen string `yaml:"listen"`
	// Address is where other processes reach the service; "" is Listen.
	Address string `yaml:"address"`
	// DatabaseURL is the service's own login; "" is database.url.
	DatabaseURL Secret `yaml:"database_url"`
}

// Reach returns the address at which other processes reach the service.
func (s Service) Reach() string {
	if s.Address != "" {
		return s.Address
	}
	return s.Listen
}

// Auth configures the auth service.
type Auth struct {
	Service `yaml:",inline"`
	// MasterKeyFile holds the key that seals secrets in the database; relative
	// to Data.
	MasterKeyFile string `yaml:"master_key_file"`
	// AccessTokenLifetime is how long an access token is accepted.
	AccessTokenLifetime time.Duration `yaml:"access_token_lifetime"`
	// RefreshTokenLifetime ends a family of refresh tokens, used or not.
	RefreshTokenLifetime time.Duration `yaml:"refresh_token_lifetime"`
	// RefreshTokenIdle ends a refresh token that nobody uses.
	RefreshTokenIdle time.Duration `yaml:"refresh_token_idle"`
	// CodeLifetime is how long an authorization code can be redeemed
	// (RFC 6749 §4.1.2 allows ten minutes at most).
	CodeLifetime time.Duration `yaml:"code_lifetime"`
	// SessionLifetime ends a sign-in session, used or not.
	SessionLifetime time.Duration `yaml:"session_lifetime"`
	// SessionIdle ends a sign-in session that nobody uses.
	SessionIdle time.Duration `yaml:"session_idle"`
	// VerificationLifetime is how long a link in a verification mail works.
	VerificationLifetime time.Duration `yaml:"verification_lifetime"`
	// ResetLifetime is how long a link in a password reset mail works.
	ResetLifetime time.Duration `yaml:"reset_lifetime"`
	// MaxConcurrentHashes bounds the password hashes computed at once, each of
	// which needs tens of megabytes; 0 is one for each processor.
	MaxConcurrentHashes int `yaml:"max_concurrent_hashes"`
	// AllowRegistration lets people make an account for themselves.
	AllowRegistration bool `yaml:"allow_registration"`
	// Providers are the social sign-in providers by the name that stands in
	// /login/callback/{provider}.
	Providers map[string]Provider `yaml:"providers"`
}

// Provider configures one social sign-in provider.
type Provider struct {
	// Plugin is the executable's name below plugins.directory.
	Plugin string `yaml:"plugin"`
	// SHA256 is the executable's digest in hex; "" is that in SHA256SUMS.
	SHA256 string `yaml:"sha256"`
	// DisplayName is what the sign-in page's button says; "" is the entry's name.
	DisplayName string `yaml:"display_name"`
	// TrustEmail lets an address that the provider calls verified lead to the
	// account with that address. Only for providers that own or check the
	// addresses they vouch for.
	TrustEmail bool `yaml:"trust_email"`
	// Config is handed to the plugin, which knows what it means.
	Config map[string]any `yaml:"config"`
}

// User configures the user service.
type User struct {
	Service `yaml:",inline"`
	// PendingRetention is how long an unfinished registration is kept.
	PendingRetention time.Duration `yaml:"pending_retention"`
	// DeletedRetention is how long a deleted account can be restored before it
	// is erased.
	DeletedRetention time.Duration `yaml:"deleted_retention"`
	// ProfileSchema is the JSON Schema of a profile's custom attributes;
	// relative to the configuration file's folder. "" allows none.
	ProfileSchema string `yaml:"profile_schema"`
	// PreferenceSchemas is a folder of JSON Schemas NAMESPACE.json; relative to
	// the configuration file's folder. A namespace without a schema takes any
	// object. "" has no schemas.
	PreferenceSchemas string `yaml:"preference_schemas"`
}

// Email configures the email service.
type Email struct {
	Service `yaml:",inline"`
	// Templates is the folder of mail templates; relative to the configuration
	// file's folder.
	Templates string `yaml:"templates"`
	// From is the sender of every mail (RFC 5322 §3.4).
	From string `yaml:"from"`
	// Transport names the entry of Transports that mails go through.
	Transport string `yaml:"transport"`
	// Transports are the mail transports by name.
	Transports map[string]Transport `yaml:"transports"`
	// MaxAttempts is how often a mail is tried before it is given up.
	MaxAttempts int `yaml:"max_attempts"`
	// Backoff is the pause after the first failed attempt; it doubles.
	Backoff time.Duration `yaml:"backoff"`
	// MaxBackoff is the longest pause between two attempts.
	MaxBackoff time.Duration `yaml:"max_backoff"`
	// AttemptTimeout bounds one attempt to send a mail. The mails of a process
	// that died are sent again by another after twice that time.
	AttemptTimeout time.Duration `yaml:"attempt_timeout"`
	// MessageRetention is how long a message that is on its way no more is kept.
	MessageRetention time.Duration `yaml:"message_retention"`
	// NotificationRetention is how long a notification is kept.
	NotificationRetention time.Duration `yaml:"notification_retention"`
	// DevMailbox serves the mails of the file transport at /dev/mailbox.
	DevMailbox bool `yaml:"dev_mailbox"`
}

// Graph configures the GraphQL service. It has no database.
type Graph struct {
	// Listen is the address that the service listens on.
	Listen string `yaml:"listen"`
	// Address is where other processes reach the service; "" is Listen.
	Address string `yaml:"address"`
	// MaxDepth bounds how deep a query nests.
	MaxDepth int `yaml:"max_depth"`
	// MaxCost bounds the sum of the fields of a query, those of a list times
	// its limit.
	MaxCost int `yaml:"max_cost"`
	// MaxAliases bounds how many fields of a query have an alias.
	MaxAliases int `yaml:"max_aliases"`
	// Timeout bounds the work for one query.
	Timeout time.Duration `yaml:"timeout"`
}

// Reach returns the address at which other processes reach the service.
func (g Graph) Reach() string {
	if g.Address != "" {
		return g.Address
	}
	return g.Listen
}

// Transport configures one mail transport.
type Transport struct {
	// Plugin is the executable's name below plugins.directory.
	Plugin string `yaml:"plugin"`
	// SHA256 is the executable's digest in hex; "" accepts any.
	SHA256 string `yaml:"sha256"`
	// Config is handed to the plugin, which knows what it means.
	Config map[string]any `yaml:"config"`
}

// Database configures PostgreSQL.
type Database struct {
	// URL is the owner's connection, which migrations use; "" starts a local
	// PostgreSQL in dev.
	URL Secret `yaml:"url"`
	// MaxConnections bounds each service's pool.
	MaxConnections int `yaml:"max_connections"`
}

// Bus configures NATS.
type Bus struct {
	// URL is one or more server URLs, separated by commas; "" embeds a server
	// in dev.
	URL Secret `yaml:"url"`
}

// TLS configures the identities of the processes. Paths are relative to Data.
type TLS struct {
	// TrustDomain is the domain of the SPIFFE ids.
	TrustDomain string `yaml:"trust_domain"`
	// CA is the internal authority's certificate.
	CA string `yaml:"ca"`
	// CAKey is the internal authority's key; only dev and "cert" need it.
	CAKey string `yaml:"ca_key"`
	// Directory holds SERVICE.pem and SERVICE-key.pem.
	Directory string `yaml:"directory"`
}

// Log configures the log on standard error.
type Log struct {
	// Level is debug, info, warn or error.
	Level string `yaml:"level"`
	// Format is json or text.
	Format string `yaml:"format"`
}

// Telemetry configures traces.
type Telemetry struct {
	// OTLPEndpoint is the collector's OTLP/HTTP URL; "" sends no traces.
	OTLPEndpoint string `yaml:"otlp_endpoint"`
	// SampleRatio is the share of traces that are recorded, 0 to 1.
	SampleRatio float64 `yaml:"sample_ratio"`
}

// Plugins configures where plugin executables are.
type Plugins struct {
	// Directory holds them; "" is the folder "plugins" beside the executable.
	Directory string `yaml:"directory"`
}

// Default returns the configuration of an empty file.
func Default() *Config {
	return &Config{
		Environment: "dev",
		Issuer:      "http://localhost:8080",
		Data:        "./var",
		Gateway:     Gateway{File: "gateway.yaml", AdminListen: "127.0.0.1:9901", AdminSocket: "admin.sock"},
		Auth: Auth{
			Service:              Service{Listen: "127.0.0.1:9101"},
			MasterKeyFile:        "master.key",
			AccessTokenLifetime:  5 * time.Minute,
			RefreshTokenLifetime: 720 * time.Hour,
			RefreshTokenIdle:     168 * time.Hour,
			CodeLifetime:         time.Minute,
			SessionLifetime:      720 * time.Hour,
			SessionIdle:          24 * time.Hour,
			VerificationLifetime: 24 * time.Hour,
			ResetLifetime:        time.Hour,
			AllowRegistration:    true,
			Providers:            map[string]Provider{},
		},
		User: User{Service: Service{Listen: "127.0.0.1:9102"}, PendingRetention: 24 * time.Hour, DeletedRetention: 720 * time.Hour},
		Email: Email{
			Service:   Service{Listen: "127.0.0.1:9103"},
			Templates: "templates",
			From:      "Gatehouse <no-reply@localhost>",
			Transport: "file",
			Transports: map[string]Transport{
				"file": {Plugin: "mail-file", Config: map[string]any{"directory": "mailbox"}},
			},
			MaxAttempts: 8,
			Backoff:     5 * time.Second,
			MaxBackoff:  time.Hour,

			AttemptTimeout:        45 * time.Second,
			MessageRetention:      2160 * time.Hour,
			NotificationRetention: 2160 * time.Hour,
		},
		Graph:     Graph{Listen: "127.0.0.1:9104", MaxDepth: 8, MaxCost: 2000, MaxAliases: 20, Timeout: 5 * time.Second},
		Database:  Database{MaxConnections: 10},
		TLS:       TLS{TrustDomain: "gatehouse.local", CA: "ca.pem", CAKey: "ca-key.pem", Directory: "tls"},
		Log:       Log{Level: "info", Format: "json"},
		Telemetry: Telemetry{SampleRatio: 1},
	}
}

// Dir returns the folder of the file that the configuration was read from,
// which gateway.file and email.templates are relative to; "." without a file.
func (c *Config) Dir() string {
	if c.dir == "" {
		return "."
	}
	return c.dir
}

// ResolveData returns path, below Data if it is relative. An empty path stays
// empty.
func (c *Config) ResolveData(path string) string { return resolve(c.Data, path) }

// ResolveFile returns path, below [Config.Dir] if it is relative. An empty path
// stays empty.
func (c *Config) ResolveFile(path string) string { return resolve(c.Dir(), path) }

func resolve(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
