package app

import (
	"net/netip"
	"strings"

	"gatehouse.example/gateway/exchange"
)

// forwardedFor is where proxies note who came to them: the last one they added
// themselves, those before it are hearsay.
const forwardedFor = "X-Forwarded-For"

// resolveSource replaces the peer's address by that of the client, where the
// peer is a proxy that the operator trusts: the last address of X-Forwarded-For
// that is not one of them. Something that is no address ends the search: what
// stands before it can have been written by anyone.
func resolveSource(r *exchange.Request, trusted []netip.Prefix) {
	if len(trusted) == 0 || !contains(trusted, r.Source.Addr()) {
		return
	}
	for i := r.Header.Len() - 1; i >= 0; i-- {
		f := r.Header.At(i)
		if !strings.EqualFold(f.Name, forwardedFor) {
			continue
		}
		for list := f.Value; list != ""; {
			element := list
			if comma := strings.LastIndexByte(list, ','); comma >= 0 {
				list, element = list[:comma], list[comma+1:]
			} else {
				list = ""
			}
			source, ok := parseForwarded(strings.Trim(element, " \t"))
			if !ok {
				return
			}
			r.Source = source
			if !contains(trusted, source.Addr()) {
				return
			}
		}
	}
}

// parseForwarded reads an address, with a port as some proxies write it.
func parseForwarded(text string) (netip.AddrPort, bool) {
	if a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")); err == nil {
		return netip.AddrPortFrom(a.Unmap().WithZone(""), 0), true
	}
	if ap, err := netip.ParseAddrPort(text); err == nil {
		return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port()), true
	}
	return netip.AddrPort{}, false
}

func contains(networks []netip.Prefix, a netip.Addr) bool {
	a = a.Unmap()
	for _, n := range networks {
		if n.Contains(a) {
			return true
		}
	}
	return false
}
