package main

import (
	"errors"
	"net/netip"
	"strconv"
)

// network is a range of addresses, IPv4 mapped into IPv6.
type network struct {
	address [16]byte
	bits    int
}

func parseNetworks(texts []string) ([]network, error) {
	var list []network
	for i, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			var a netip.Addr
			a, err = netip.ParseAddr(text)
			p = netip.PrefixFrom(a, a.BitLen())
		}
		if err != nil || p.Addr().Zone() != "" {
			return nil, errors.New("config/addresses/" + strconv.Itoa(i) + `: want a network like "10.0.0.0/8" or an address`)
		}
		n := network{p.Addr().As16(), p.Bits()}
		if p.Addr().Is4() {
			n.bits += 96
		}
		list = append(list, n)
	}
	return list, nil
}

func contains(list []network, ip [16]byte) bool {
	for i := range list {
		if list[i].contains(&ip) {
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
