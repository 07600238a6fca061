package main

import (
	"errors"
	"slices"
	"strings"

	"gatehouse.example/sdk/filter"
)

// forwarded is a header field that the upstream gets from a claim.
type forwarded struct {
	name, claim, attribute string
	// canonical is the name in lower case and with hyphens only.
	canonical string
}

// readHeaders checks the fields and sorts them by name.
func readHeaders(headers map[string]string) ([]forwarded, error) {
	list := make([]forwarded, 0, len(headers))
	for name, claim := range headers {
		list = append(list, forwarded{name, claim, "claim." + claim, canonical(name)})
	}
	slices.SortFunc(list, func(a, b forwarded) int { return strings.Compare(a.name, b.name) })
	for i, h := range list {
		if err := checkHeader(h); err != nil {
			return nil, errors.New("config/headers/" + pointerPart(h.name) + ": " + err.Error())
		}
		for _, other := range list[:i] {
			if other.canonical == h.canonical {
				return nil, errors.New("config/headers/" + pointerPart(h.name) + ": upstreams may take it for " + other.name)
			}
		}
	}
	return list, nil
}

// pointerPart writes a name as part of a JSON Pointer (RFC 6901 §3).
func pointerPart(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
}

func checkHeader(h forwarded) error {
	if h.claim == "" {
		return errors.New("want the name of a claim")
	}
	for i := range len(h.name) {
		c := h.name[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return errors.New("want a header's name: letters, digits and hyphens")
		}
	}
	switch h.canonical {
	case "":
		return errors.New("want a header's name")
	case "authorization", "connection", "content-length", "cookie", "expect", "forwarded", "host", "keep-alive", "set-cookie",
		"te", "trailer", "transfer-encoding", "upgrade", "x-api-key", "x-request-id":
		return errors.New("this field is the gateway's")
	}
	for _, prefix := range []string{"proxy-", "x-forwarded-", "x-gatehouse-"} {
		if strings.HasPrefix(h.canonical, prefix) {
			return errors.New("this field is the gateway's")
		}
	}
	return nil
}

func canonical(name string) string {
	return strings.ReplaceAll(strings.ToLower(name), "_", "-")
}

// forwardClaims replaces what the client has sent in the fields of claims,
// whoever it is. Many upstreams cannot tell "_" from "-" in a name (CGI), so
// such names count as the same.
func (f *jwt) forwardClaims(r *filter.Request, verified bool) {
	if len(f.forward) == 0 {
		return
	}
	for i := range r.HeaderLen() {
		name, _ := r.HeaderAt(i)
		for j := range f.forward {
			if sameName(name, f.forward[j].canonical) {
				r.RemoveHeader(name)
			}
		}
	}
	if !verified {
		return
	}
	for i := range f.forward {
		h := &f.forward[i]
		if value, ok := r.Attribute(h.attribute); ok {
			r.SetHeader(h.name, value)
		}
	}
}

// sameName compares a name in lower case with a canonical one.
func sameName(lower, canonical string) bool {
	if len(lower) != len(canonical) {
		return false
	}
	for i := range len(lower) {
		if c := lower[i]; c != canonical[i] && (c != '_' || canonical[i] != '-') {
			return false
		}
	}
	return true
}
