package outbound

import (
	"fmt"
	"net/netip"
	"slices"
	"syscall"

	"code.dny.dev/ssrf"
)

// control looks at an address in the moment of connecting to it.
type control = func(network, address string, c syscall.RawConn) error

// These tables are read only.
var (
	loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	// privateNetworks are those that an operator may name: RFC 1918, RFC 6598,
	// RFC 4193 and the machine itself.
	privateNetworks = append([]netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"),
		netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("100.64.0.0/10"),
		netip.MustParsePrefix("fc00::/7"),
	}, loopback...)
	// metadata are the services from which clouds hand credentials to whoever
	// asks, where they are not link-local: AWS (IPv6), GCP (IPv6), Azure,
	// Alibaba, Oracle.
	metadata = []netip.Addr{
		netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("fd20:ce::254"),
		netip.MustParseAddr("168.63.129.16"), netip.MustParseAddr("100.100.100.200"),
		netip.MustParseAddr("192.0.0.192"),
	}
)

// guard refuses every address that is not public, but for the machine itself
// where that is allowed. Any port is allowed: what listens on a public address
// is not ours.
func guard(allowLoopback bool) control {
	if allowLoopback {
		return guardNetworks(loopback...)
	}
	return guardNetworks()
}

// guardNetworks refuses every address that is neither public nor in allowed,
// and the metadata services in any case.
func guardNetworks(allowed ...netip.Prefix) control {
	var v4, v6 []netip.Prefix
	for _, p := range allowed {
		if p.Addr().Is4() {
			v4 = append(v4, p)
		} else {
			v6 = append(v6, p)
		}
	}
	guardian := ssrf.New(ssrf.WithAnyPort(), ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...))
	return func(network, address string, c syscall.RawConn) error {
		if at, err := netip.ParseAddrPort(address); err == nil && slices.Contains(metadata, at.Addr().Unmap().WithZone("")) {
			return fmt.Errorf("%w: %s is a metadata service", ErrRefused, at.Addr())
		}
		if err := guardian.Safe(network, address, c); err != nil {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
		return nil
	}
}

// guardOnly refuses every address that is not in allowed.
func guardOnly(allowed ...netip.Prefix) control {
	return func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
		if !slices.ContainsFunc(allowed, func(p netip.Prefix) bool { return p.Contains(at.Addr()) }) {
			return fmt.Errorf("%w: plain HTTP to %s, which is not this machine", ErrRefused, at.Addr())
		}
		return nil
	}
}
