package networks_test

import (
	"net/netip"
	"strings"
	"testing"

	"gatehouse.example/sdk/filter/networks"
)

func TestList(t *testing.T) {
	n, err := networks.Parse("exempt", []string{"10.0.0.0/9", "192.0.2.7", "2001:db8::/33", "::ffff:198.51.100.0/120"})
	if err != nil || n.Len() != 4 {
		t.Fatal(n.Len(), err)
	}
	for address, want := range map[string]bool{
		"10.127.255.255": true, "10.128.0.0": false, "192.0.2.7": true, "192.0.2.6": false, "::ffff:10.1.1.1": true,
		"2001:db8:7fff::1": true, "2001:db8:8000::1": false, "::": false, "::10.0.0.1": false, "198.51.100.9": true,
	} {
		if got := n.Contains(netip.MustParseAddr(address).As16()); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
	all, _ := networks.Parse("", []string{"::/0"})
	if ip := netip.MustParseAddr("192.0.2.1").As16(); !all.Contains(ip) || new(networks.List).Contains(ip) {
		t.Error("::/0 is everything, and nothing is in no network")
	}
	ip := netip.MustParseAddr("192.0.2.6").As16()
	if a := testing.AllocsPerRun(100, func() { n.Contains(ip) }); a > 0 {
		t.Errorf("Contains allocates %v times", a)
	}
	for _, text := range []string{"", "intern", "10.0.0.0/33", "10.0.0", "fe80::1%eth0", "10.0.0.1:80"} {
		if _, err := networks.Parse("addresses", []string{"10.0.0.1", text}); err == nil || !strings.HasPrefix(err.Error(), "config/addresses/1: want a network") {
			t.Errorf("%q: error %v", text, err)
		}
	}
}
