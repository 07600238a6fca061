package app

import (
	"net/netip"
	"testing"

	"gatehouse.example/gateway/exchange"
)

func TestResolveSource(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	for _, row := range []struct {
		name, peer string
		fields     []string
		want       string
	}{
		{"nobody forwards", "10.0.0.1", nil, "10.0.0.1"},
		{"a stranger claims", "192.0.2.9", []string{"198.51.100.1"}, "192.0.2.9"},
		{"one proxy", "10.0.0.1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"what the client claimed", "10.0.0.1", []string{"1.2.3.4, 198.51.100.1"}, "198.51.100.1"},
		{"two proxies", "10.0.0.1", []string{"1.2.3.4, 198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		{"two fields", "10.0.0.1", []string{"1.2.3.4", "198.51.100.1 , 10.0.0.2"}, "198.51.100.1"},
		{"all are proxies", "10.0.0.1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"nonsense", "10.0.0.1", []string{"198.51.100.1, unknown, 10.0.0.2"}, "10.0.0.2"},
		{"empty element", "10.0.0.1", []string{"198.51.100.1, "}, "10.0.0.1"},
		{"IPv6", "2001:db8::1", []string{"2001:470::5"}, "2001:470::5"},
		{"IPv6 in brackets, with a port", "2001:db8::1", []string{"[2001:470::5]:4711"}, "2001:470::5"},
		{"mapped IPv4", "::ffff:10.0.0.1", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		{"port", "10.0.0.1", []string{"198.51.100.1:99"}, "198.51.100.1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := &exchange.Request{Source: netip.AddrPortFrom(netip.MustParseAddr(row.peer), 4000)}
			for _, f := range row.fields {
				r.Header.Add("x-forwarded-for", f)
			}
			resolveSource(r, trusted)
			if got := r.Source.Addr().Unmap().String(); got != row.want {
				t.Errorf("source %s, want %s", got, row.want)
			}
		})
	}
}
