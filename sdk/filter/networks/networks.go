// Package networks owns lists of networks and addresses in the configuration
// of a filter: it reads them, and says whether a client is in one.
//
// It is a package of its own because reading addresses makes a module some 100
// KB larger. What being in a network means it leaves to the filter.
package networks

import (
	"errors"
	"net/netip"
	"strconv"
)

// List is a list of networks and addresses, to look clients up in. Its zero
// value holds none.
type List struct{ list []network }

// network is a range of addresses, IPv4 mapped into IPv6.
type network struct {
	address [16]byte
	bits    int
}

// Parse reads what an operator has listed: networks in CIDR notation
// ("10.0.0.0/8", "2001:db8::/32") and single addresses. field names the list in
// the filter's configuration.
//
// # Errors
//
// The first text that is neither, as "config/FIELD/0: ...".
func Parse(field string, texts []string) (List, error) {
	var n List
	for i, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			var a netip.Addr
			a, err = netip.ParseAddr(text)
			p = netip.PrefixFrom(a, a.BitLen())
			if a.Zone() != "" { // which PrefixFrom forgets
				err = errors.New("zone")
			}
		}
		if err != nil {
			return List{}, errors.New("config/" + field + "/" + strconv.Itoa(i) + `: want a network like "10.0.0.0/8" or an address`)
		}
		bits := p.Bits()
		if p.Addr().Is4() {
			bits += 96
		}
		n.list = append(n.list, network{p.Addr().As16(), bits})
	}
	return n, nil
}

// Len returns the number of networks.
func (n *List) Len() int { return len(n.list) }

// Contains reports whether ip, an address as Request.SourceIP returns it, is in
// one of the networks. An IPv4 address is the same mapped into IPv6. It
// allocates nothing.
func (n *List) Contains(ip [16]byte) bool {
	for i := range n.list {
		if n.list[i].contains(&ip) {
			return true
		}
	}
	return false
}

func (n *network) contains(ip *[16]byte) bool {
	whole := n.bits / 8
	for i := range whole {
		if ip[i] != n.address[i] {
			return false
		}
	}
	rest := n.bits % 8
	return rest == 0 || (ip[whole]^n.address[whole])>>(8-rest) == 0
}
