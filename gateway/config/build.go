package config

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"gatehouse.example/gateway/exchange"
)

func (b *builder) listeners() {
	if len(b.raw.Listeners) == 0 {
		b.add("listeners", "no listeners")
	}
	for i, l := range b.raw.Listeners {
		at := fmt.Sprintf("listeners[%d]", i)
		if _, _, err := net.SplitHostPort(l.Address); err != nil {
			b.add(at+".address", "address %q: want host:port", l.Address)
		}
		out := Listener{Address: l.Address}
		if l.TLS != nil {
			out.TLS = b.tls(at+".tls", l.TLS)
		}
		b.Listeners = append(b.Listeners, out)
	}
}

func (b *builder) tls(at string, t *fileTLS) *TLS {
	out := &TLS{Mode: t.Mode}
	switch t.Mode {
	case "dev":
		if t.Certificate != "" || t.Key != "" {
			b.add(at, "certificate and key need mode: file")
		}
	case "file":
		if t.Certificate == "" || t.Key == "" {
			b.add(at, "mode: file needs certificate and key")
			break
		}
		out.Certificate, out.Key = b.path(t.Certificate), b.path(t.Key)
	default:
		b.add(at+".mode", "tls mode %q: want dev or file", t.Mode)
	}
	return out
}

func (b *builder) limits() {
	raw, out := &b.raw.Limits, DefaultLimits()
	if raw.MaxBody != nil {
		out.MaxBodyBytes = int64(*raw.MaxBody)
		b.positive("limits.max_body", out.MaxBodyBytes)
	}
	if raw.MaxHead != nil {
		out.MaxHeadBytes = int(*raw.MaxHead)
		if out.MaxHeadBytes < 1<<10 || out.MaxHeadBytes > 1<<20 {
			b.add("limits.max_head", "max_head: want 1KiB to 1MiB")
		}
	}
	if raw.MaxConnections != nil {
		out.MaxConnections = *raw.MaxConnections
		b.positive("limits.max_connections", int64(out.MaxConnections))
	}
	b.duration("limits.head_timeout", raw.HeadTimeout, &out.HeadTimeout)
	b.duration("limits.idle_timeout", raw.IdleTimeout, &out.IdleTimeout)
	b.duration("limits.body_timeout", raw.BodyTimeout, &out.BodyTimeout)
	b.duration("limits.drain_timeout", raw.DrainTimeout, &out.DrainTimeout)
	b.Limits = out
}

func (b *builder) trustedProxies() {
	for i, text := range b.raw.Trusted {
		network, err := netip.ParsePrefix(text)
		if address, alone := netip.ParseAddr(text); alone == nil {
			network, err = netip.PrefixFrom(address, address.BitLen()), nil
		}
		if err != nil || network != network.Masked() {
			b.add(fmt.Sprintf("trusted_proxies[%d]", i), "trusted proxy %q: want an address, or a network like 10.0.0.0/8", text)
			continue
		}
		b.TrustedProxies = append(b.TrustedProxies, network)
	}
}

// versionForm is what tells a version from another first segment of a path.
var versionForm = regexp.MustCompile(`^v[0-9]{1,3}$`)

func (b *builder) versions() {
	raw := b.raw.Versions
	if raw == nil {
		return
	}
	v := &Versions{Known: raw.Known, Default: raw.Default, Header: "API-Version"}
	if raw.Header != nil {
		v.Header = *raw.Header
	}
	if len(v.Known) == 0 {
		b.add("versions", "versions names none; want known: [v1]")
	}
	for i, name := range v.Known {
		if !versionForm.MatchString(name) {
			b.add(fmt.Sprintf("versions.known[%d]", i), "version %q: want v and a number", name)
		}
		if slices.Contains(v.Known[:i], name) {
			b.add(fmt.Sprintf("versions.known[%d]", i), "version %q is there twice", name)
		}
	}
	if v.Default != "" && !slices.Contains(v.Known, v.Default) {
		b.add("versions.default", "default %q is not one of known", v.Default)
	}
	if v.Header != "" && !exchange.ValidFieldName(v.Header) {
		b.add("versions.header", "header %q is no name of a header field", v.Header)
	}
	b.Versions = v
}

func (b *builder) positive(at string, n int64) {
	if n <= 0 {
		b.add(at, "want more than 0")
	}
}

func (b *builder) duration(at string, from *time.Duration, to *time.Duration) {
	if from == nil {
		return
	}
	if *from <= 0 {
		b.add(at, "want more than 0")
	}
	*to = *from
}

func (b *builder) upstreams() {
	for _, name := range slices.Sorted(maps.Keys(b.raw.Upstreams)) {
		raw, at := b.raw.Upstreams[name], "upstreams."+name
		u := Upstream{
			Name: name, Balance: Balance(raw.Balance), Timeouts: defaultTimeouts(),
			ForwardAuthorization: raw.ForwardAuthorization, MaxIdleConnections: raw.MaxIdle, Optional: raw.Optional,
		}
		b.targets(at, raw.Targets, &u)
		b.upstreamIdentity(at, raw, &u)
		switch u.Balance {
		case "":
			u.Balance = RoundRobin
		case RoundRobin, LeastRequest:
		default:
			b.add(at+".balance", "balance %q: want round_robin or least_request", raw.Balance)
		}
		if raw.Health != nil {
			u.Health = b.health(at+".health", raw.Health)
		}
		b.duration(at+".timeouts.connect", raw.Timeouts.Connect, &u.Timeouts.Connect)
		b.duration(at+".timeouts.header", raw.Timeouts.Header, &u.Timeouts.Header)
		b.duration(at+".timeouts.idle", raw.Timeouts.Idle, &u.Timeouts.Idle)
		if u.MaxIdleConnections == 0 {
			u.MaxIdleConnections = 256
		}
		b.Upstreams = append(b.Upstreams, u)
	}
}

func (b *builder) upstreamIdentity(at string, raw fileUpstream, u *Upstream) {
	switch raw.Identity {
	case "":
		u.IdentityToken = len(u.Targets) > 0 && u.Service() && !raw.ForwardAuthorization
	case "token":
		u.IdentityToken = true
		if raw.ForwardAuthorization {
			b.add(at+".forward_authorization", "identity: token and forward_authorization: true exclude each other: there is one Authorization field")
		}
	default:
		b.add(at+".identity", "identity %q: want token", raw.Identity)
	}
}

func (b *builder) health(at string, raw *fileHealth) *Health {
	h := &Health{Path: raw.Path, Interval: raw.Interval}
	if !strings.HasPrefix(h.Path, "/") {
		b.add(at+".path", "path %q does not start with a slash", h.Path)
	}
	if h.Interval == 0 {
		h.Interval = 2 * time.Second
	}
	if h.Interval < 100*time.Millisecond {
		b.add(at+".interval", "interval: want 100ms or more")
	}
	return h
}

func (b *builder) targets(at string, targets []string, u *Upstream) {
	if len(targets) == 0 {
		b.add(at, "upstream %q has no targets", u.Name)
	}
	for i, text := range targets {
		t, err := parseTarget(text)
		if err != nil {
			b.add(fmt.Sprintf("%s.targets[%d]", at, i), "%w", err)
			continue
		}
		if len(u.Targets) > 0 && (u.Targets[0].Service != "") != (t.Service != "") {
			b.add(fmt.Sprintf("%s.targets[%d]", at, i), "targets of one upstream are all services or all addresses")
			continue
		}
		u.Targets = append(u.Targets, t)
	}
}

func parseTarget(text string) (Target, error) {
	if name, ok := strings.CutPrefix(text, "service:"); ok {
		if name == "" || strings.ContainsAny(name, "/:. ") {
			return Target{}, fmt.Errorf("target %q: want service:NAME", text)
		}
		return Target{Service: name}, nil
	}
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil || u.Fragment != "" {
		return Target{}, fmt.Errorf("target %q: want service:NAME, http://HOST:PORT or https://HOST:PORT", text)
	}
	t := Target{Address: u.Host, Host: u.Host, TLS: u.Scheme == "https"}
	if u.Port() == "" {
		port := "80"
		if t.TLS {
			port = "443"
		}
		t.Address = net.JoinHostPort(u.Hostname(), port)
	}
	return t, nil
}
