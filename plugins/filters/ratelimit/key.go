package main

import (
	"errors"
	"strings"

	"gatehouse.example/sdk/filter"
)

// keyFunc appends what a request is counted by. Keys of different kinds start
// with different bytes, so that no header can pose as an address.
type keyFunc func(dst []byte, r *filter.Request) []byte

func parseKey(c Config) (keyFunc, error) {
	if c.IPv6Prefix == 0 {
		c.IPv6Prefix = 64
	}
	if c.IPv6Prefix < 1 || c.IPv6Prefix > 128 {
		return nil, errors.New("config/ipv6_prefix: want 1 to 128")
	}
	address := func(dst []byte, r *filter.Request) []byte {
		return appendAddress(append(dst, 'a'), r.SourceIP(), c.IPv6Prefix)
	}
	kind, name, named := strings.Cut(c.Key, ":")
	if named && name == "" {
		return nil, errors.New("config/key: a name has to follow " + kind + ":")
	}
	switch {
	case c.Key == "" || c.Key == "source_address":
		return address, nil
	case c.Key == "route":
		return func(dst []byte, r *filter.Request) []byte {
			return append(append(dst, 'r'), r.Route()...)
		}, nil
	case c.Key == "api_key":
		return func(dst []byte, r *filter.Request) []byte {
			if credential, _ := r.Principal("credential"); credential == "key" {
				if id, ok := r.Principal("jti"); ok {
					return append(append(dst, 'k'), id...)
				}
			}
			return address(dst, r)
		}, nil
	case kind == "claim" && named:
		attribute := "claim." + name
		return func(dst []byte, r *filter.Request) []byte {
			value, ok := r.Principal(name)
			if !ok {
				value, ok = r.Attribute(attribute)
			}
			if ok {
				return append(append(dst, 'c'), value...)
			}
			return address(dst, r)
		}, nil
	case kind == "header" && named:
		return func(dst []byte, r *filter.Request) []byte {
			if value, ok := r.LookupHeader(name); ok {
				return append(append(dst, 'h'), value...)
			}
			return address(dst, r)
		}, nil
	}
	return nil, errors.New("config/key: want source_address, api_key, claim:NAME, header:NAME or route")
}

// appendAddress appends an IPv4 address, or the prefix of an IPv6 one: one
// client usually has a whole network of those.
func appendAddress(dst []byte, ip [16]byte, prefix int) []byte {
	mapped := ip[10] == 0xff && ip[11] == 0xff
	for _, b := range ip[:10] {
		mapped = mapped && b == 0
	}
	if mapped {
		return append(dst, ip[12:]...)
	}
	dst = append(dst, ip[:prefix/8]...)
	if rest := prefix % 8; rest > 0 {
		dst = append(dst, ip[prefix/8]&^(0xff>>rest))
	}
	return dst
}
