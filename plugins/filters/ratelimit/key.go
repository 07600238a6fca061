package main

import (
	"encoding/binary"
	"errors"
	"strconv"
	"strings"

	"gatehouse.example/sdk/filter"
)

// part is one of the things that a request is counted by.
type part struct {
	// kind is the first byte of the part in the key. Different kinds start with
	// different bytes, so that no header can pose as an address.
	kind byte
	// name is that of a header field or claim, attribute the claim's.
	name, attribute string
	prefix          int // of an IPv6 address
}

const (
	byAddress = 'a'
	byKey     = 'k'
	byClaim   = 'c'
	byHeader  = 'h'
	byRoute   = 'r'
)

func parseKey(c Config) ([]part, error) {
	if len(c.Key) == 0 {
		c.Key = filter.OneOrMore{"source_address"}
	}
	var parts []part
	for i, text := range c.Key {
		at := "config/key"
		if len(c.Key) > 1 {
			at += "/" + strconv.Itoa(i)
		}
		p, err := parsePart(text)
		if err != nil {
			return nil, errors.New(at + ": " + err.Error())
		}
		p.prefix = c.IPv6Prefix
		parts = append(parts, p)
	}
	return parts, nil
}

func parsePart(text string) (part, error) {
	kind, name, named := strings.Cut(text, ":")
	if named && name == "" {
		return part{}, errors.New("a name has to follow " + kind + ":")
	}
	switch {
	case text == "source_address":
		return part{kind: byAddress}, nil
	case text == "route":
		return part{kind: byRoute}, nil
	case text == "api_key":
		return part{kind: byKey}, nil
	case kind == "claim" && named:
		return part{kind: byClaim, name: name, attribute: "claim." + name}, nil
	case kind == "header" && named:
		return part{kind: byHeader, name: name}, nil
	}
	return part{}, errors.New("want source_address, api_key, claim:NAME, header:NAME or route")
}

// appendKey appends what the request is counted by. Several parts are told
// apart by their lengths.
func appendKey(dst []byte, parts []part, r *filter.Request) []byte {
	if len(parts) == 1 {
		return parts[0].append(dst, r)
	}
	for i := range parts {
		start := len(dst)
		dst = parts[i].append(append(dst, 0, 0, 0, 0), r)
		binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start))
	}
	return dst
}

func (p *part) append(dst []byte, r *filter.Request) []byte {
	value, ok := "", false
	switch p.kind {
	case byRoute:
		value, ok = r.Route(), true
	case byKey:
		if credential, _ := r.Principal("credential"); credential == "key" {
			value, ok = r.Principal("jti")
		}
	case byClaim:
		if value, ok = r.Principal(p.name); !ok {
			value, ok = r.Attribute(p.attribute)
		}
	case byHeader:
		value, ok = r.LookupHeader(p.name)
	}
	if ok {
		return append(append(dst, p.kind), value...)
	}
	return appendAddress(append(dst, byAddress), r.SourceIP(), p.prefix)
}

// appendAddress appends an IPv4 address, or the prefix of an IPv6 one: one
// client usually has a whole network of those.
func appendAddress(dst []byte, ip [16]byte, prefix int) []byte {
	if isIPv4(&ip) {
		return append(dst, ip[12:]...)
	}
	dst = append(dst, ip[:prefix/8]...)
	if rest := prefix % 8; rest > 0 {
		dst = append(dst, ip[prefix/8]&^(0xff>>rest))
	}
	return dst
}

// isIPv4 reports whether the address is one that was mapped into IPv6
// (RFC 4291 §2.5.5.2).
func isIPv4(ip *[16]byte) bool {
	return binary.BigEndian.Uint64(ip[:]) == 0 && binary.BigEndian.Uint32(ip[8:]) == 0xffff
}
