package config

import (
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// validate reports what a value's type cannot say. It sees a value that some
// layer got wrong with what the layer below says.
func (l *layers) validate(c *Config) {
	l.check("environment", checkName(c.Environment))
	l.check("issuer", checkIssuer(c.Issuer))
	l.check("data", checkSet(c.Data))
	l.check("gateway.file", checkSet(c.Gateway.File))
	l.check("gateway.listen", checkAddress(c.Gateway.Listen, true))
	l.check("gateway.listen_tls", checkAddress(c.Gateway.ListenTLS, true))
	l.check("gateway.admin_listen", checkAddress(c.Gateway.AdminListen, true))
	l.check("gateway.admin_socket", checkSet(c.Gateway.AdminSocket))
	l.check("gateway.redis_url", checkRedisURL(c.Gateway.RedisURL))
	l.service("auth", c.Auth.Service)
	l.auth(c.Auth)
	l.service("user", c.User.Service)
	l.check("user.pending_retention", checkPositive(c.User.PendingRetention))
	l.check("user.deleted_retention", checkPositive(c.User.DeletedRetention))
	l.service("email", c.Email.Service)
	l.email(c.Email)
	l.graph(c.Graph)
	l.check("database.url", checkDatabaseURL(c.Database.URL))
	l.check("database.max_connections", checkAtLeast(1, c.Database.MaxConnections))
	l.check("bus.url", checkBusURL(c.Bus.URL))
	l.check("tls.trust_domain", checkTrustDomain(c.TLS.TrustDomain))
	l.check("tls.ca", checkSet(c.TLS.CA))
	l.check("tls.ca_key", checkSet(c.TLS.CAKey))
	l.check("tls.directory", checkSet(c.TLS.Directory))
	l.check("log.level", checkOneOf(c.Log.Level, "debug", "info", "warn", "error"))
	l.check("log.format", checkOneOf(c.Log.Format, "json", "text"))
	l.check("telemetry.otlp_endpoint", checkEndpoint(c.Telemetry.OTLPEndpoint))
	if r := c.Telemetry.SampleRatio; !(r >= 0 && r <= 1) { // NaN is neither
		l.check("telemetry.sample_ratio", fmt.Sprintf("%v is not between 0 and 1", r))
	}
}

func (l *layers) service(name string, s Service) {
	l.check(name+".listen", checkAddress(s.Listen, false))
	l.check(name+".address", checkAddress(s.Address, true))
	l.check(name+".database_url", checkDatabaseURL(s.DatabaseURL))
}

func (l *layers) auth(a Auth) {
	l.check("auth.master_key_file", checkSet(a.MasterKeyFile))
	l.check("auth.access_token_lifetime", checkPositive(a.AccessTokenLifetime))
	l.check("auth.refresh_token_lifetime", checkPositive(a.RefreshTokenLifetime))
	l.check("auth.refresh_token_idle", checkPositive(a.RefreshTokenIdle), checkAtMost(a.RefreshTokenIdle, a.RefreshTokenLifetime, "refresh_token_lifetime"))
	// RFC 6749 §4.1.2: ten minutes at most.
	l.check("auth.code_lifetime", checkPositive(a.CodeLifetime), checkAtMost(a.CodeLifetime, 10*time.Minute, "what RFC 6749 allows"))
	l.check("auth.session_lifetime", checkPositive(a.SessionLifetime))
	l.check("auth.session_idle", checkPositive(a.SessionIdle), checkAtMost(a.SessionIdle, a.SessionLifetime, "session_lifetime"))
	l.check("auth.verification_lifetime", checkPositive(a.VerificationLifetime))
	l.check("auth.reset_lifetime", checkPositive(a.ResetLifetime))
	l.check("auth.max_concurrent_hashes", checkAtLeast(0, a.MaxConcurrentHashes))
	for _, name := range sortedKeys(a.Providers) {
		key := "auth.providers." + name
		l.check(key, checkName(name))
		l.plugin(key, a.Providers[name].Plugin, a.Providers[name].SHA256)
	}
}

func (l *layers) graph(g Graph) {
	l.check("graph.listen", checkAddress(g.Listen, false))
	l.check("graph.address", checkAddress(g.Address, true))
	l.check("graph.max_depth", checkAtLeast(1, g.MaxDepth))
	l.check("graph.max_cost", checkAtLeast(1, g.MaxCost))
	l.check("graph.max_aliases", checkAtLeast(0, g.MaxAliases))
	l.check("graph.timeout", checkPositive(g.Timeout))
}

// plugin checks what names an executable.
func (l *layers) plugin(key, name, digest string) {
	if name == "" || strings.ContainsAny(name, `/\`) || strings.HasPrefix(name, ".") {
		l.check(key+".plugin", fmt.Sprintf("%q is not the name of an executable in plugins.directory", name))
	}
	if digest != "" && !regexp.MustCompile(`^[0-9a-fA-F]{64}$`).MatchString(digest) {
		l.check(key+".sha256", "it is not 64 hexadecimal digits")
	}
}

func (l *layers) email(e Email) {
	l.check("email.templates", checkSet(e.Templates))
	if _, err := mail.ParseAddress(e.From); err != nil {
		l.check("email.from", fmt.Sprintf(`%q is not a sender such as "Gatehouse <no-reply@example.com>"`, e.From))
	}
	names := sortedKeys(e.Transports)
	if !slices.Contains(names, e.Transport) {
		l.check("email.transport", fmt.Sprintf("%q is not one of email.transports%s", e.Transport, suggest(e.Transport, names)))
	}
	for _, name := range names {
		l.plugin("email.transports."+name, e.Transports[name].Plugin, e.Transports[name].SHA256)
	}
	l.check("email.attempt_timeout", checkPositive(e.AttemptTimeout))
	l.check("email.message_retention", checkPositive(e.MessageRetention))
	l.check("email.notification_retention", checkPositive(e.NotificationRetention))
	l.check("email.max_attempts", checkAtLeast(1, e.MaxAttempts))
	l.check("email.backoff", checkPositive(e.Backoff), checkAtMost(e.Backoff, e.MaxBackoff, "max_backoff"))
	l.check("email.max_backoff", checkPositive(e.MaxBackoff))
}

// check reports the first message that is not empty.
func (l *layers) check(key string, messages ...string) {
	i := slices.IndexFunc(messages, func(m string) bool { return m != "" })
	if i < 0 {
		return
	}
	where, message := l.origin[key], messages[i]
	switch {
	case where == "":
		where, message = l.nearest(key), key+": "+message
	case !strings.HasPrefix(where, "environment ") && !strings.HasPrefix(where, "flag "):
		message = key + ": " + message
	}
	l.problems = append(l.problems, Problem{where, message})
}

// nearest returns the place of the section that a missing key belongs to.
func (l *layers) nearest(key string) string {
	for i := strings.LastIndex(key, separator); i > 0; i = strings.LastIndex(key[:i], separator) {
		if where := l.origin[key[:i]]; where != "" {
			return where
		}
	}
	return "default"
}

func checkSet(text string) string {
	if text == "" {
		return "it must not be empty"
	}
	return ""
}

// checkName: the environment is a part of API keys, which "_" separates.
func checkName(text string) string {
	if !regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`).MatchString(text) {
		return fmt.Sprintf(`%q is not a name of lower-case letters, digits and "-"`, text)
	}
	return ""
}

func checkTrustDomain(text string) string {
	if !regexp.MustCompile(`^[a-z0-9._-]{1,255}$`).MatchString(text) {
		return fmt.Sprintf(`%q is not a SPIFFE trust domain of lower-case letters, digits, ".", "-" and "_"`, text)
	}
	return ""
}

func checkAddress(text string, optional bool) string {
	if text == "" && optional {
		return ""
	}
	_, port, err := net.SplitHostPort(text)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Sprintf(`%q is not an address such as "127.0.0.1:8080"`, text)
	}
	return ""
}

// checkIssuer follows RFC 8414 §2, and allows http for development. The value
// is compared byte by byte, and paths are appended to it.
func checkIssuer(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil:
		return fmt.Sprintf(`%q is not a URL such as "https://id.example.com"`, text)
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#"):
		return fmt.Sprintf("%q has a query or fragment, which an issuer may not have", text)
	case strings.HasSuffix(text, "/"):
		return fmt.Sprintf("%q must not end in a slash", text)
	}
	return ""
}

func checkEndpoint(text string) string {
	if text == "" {
		return ""
	}
	if u, err := url.Parse(text); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return `it is not a URL such as "http://127.0.0.1:4318"`
	}
	return ""
}

// checkDatabaseURL does not repeat the value: it holds a password.
func checkDatabaseURL(s Secret) string {
	if s == "" {
		return ""
	}
	if u, err := url.Parse(s.Reveal()); err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return `it is not a URL such as "postgres://user:password@host:5432/gatehouse"`
	}
	return ""
}

func checkBusURL(s Secret) string {
	if s == "" {
		return ""
	}
	for server := range strings.SplitSeq(s.Reveal(), ",") {
		u, err := url.Parse(strings.TrimSpace(server))
		if err != nil || u.Host == "" || !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme) {
			return `it is not a URL such as "nats://user:password@host:4222"`
		}
	}
	return ""
}

// checkRedisURL does not repeat the value: it may hold a password.
func checkRedisURL(s Secret) string {
	if s == "" {
		return ""
	}
	if u, err := url.Parse(s.Reveal()); err != nil || u.Host == "" || (u.Scheme != "redis" && u.Scheme != "rediss") {
		return `it is not a URL such as "redis://user:password@host:6379/0" or "rediss://host:6379"`
	}
	return ""
}

func checkPositive(d time.Duration) string {
	if d <= 0 {
		return fmt.Sprintf("%s is not longer than 0s", formatDuration(d))
	}
	return ""
}

func checkAtMost(d, most time.Duration, what string) string {
	if d > most {
		return fmt.Sprintf("%s is longer than %s (%s)", formatDuration(d), what, formatDuration(most))
	}
	return ""
}

func checkAtLeast(least, n int) string {
	if n < least {
		return fmt.Sprintf("%d is less than %d", n, least)
	}
	return ""
}

func checkOneOf(text string, known ...string) string {
	if slices.Contains(known, text) {
		return ""
	}
	return fmt.Sprintf("%q is not one of %s", text, strings.Join(known, ", "))
}
