package proxy

import (
	"fmt"
	"strings"

	"gatehouse.example/gateway/exchange"
)

// extra are the fields that the gateway itself adds to a request.
type extra struct {
	fields [5]exchange.Field
	n      int
}

func (x *extra) add(name, value string) {
	x.fields[x.n] = exchange.Field{Name: name, Value: value}
	x.n++
}

// prepare makes the request's header fit for the upstream: what belongs to the
// client's connection and the client's own credentials go, what the gateway
// knows comes.
func (u *Upstream) prepare(ex *exchange.Exchange) (extra, error) {
	r := &ex.Request
	r.Header.RemoveConnectionFields()
	forward, service := u.config.ForwardAuthorization, u.Service()
	drops := func(f exchange.Field) bool {
		// The edge has cleaned what the client sent; this is for filters. Ours
		// believe nobody but the gateway; others are told what their operator's
		// filters tell them.
		return dropsToUpstream(f.Name, forward) || exchange.GatewayField(f.Name) || (service && exchange.Forged(f.Name))
	}
	r.Header.DelFunc(drops)
	r.Trailer.DelFunc(drops)
	if !service && r.Header.Has("Cookie") {
		dropOwnCookies(&r.Header)
	}
	var x extra
	if r.Source.IsValid() {
		x.add("X-Forwarded-For", r.Source.Addr().Unmap().String())
	}
	x.add("X-Forwarded-Host", r.Host)
	x.add("X-Forwarded-Proto", r.Scheme)
	x.add("X-Request-Id", ex.RequestID)
	if u.config.IdentityToken && ex.Principal.Authenticated() {
		audience := u.config.Name
		if service {
			audience = serviceAudience
		}
		token, err := u.tokens.Get(ex.Credential, ex.Principal, audience)
		if err != nil {
			return x, fmt.Errorf("internal token for upstream %q: %w", u.config.Name, err)
		}
		x.add("Authorization", "Bearer "+token)
	}
	return x, nil
}

// serviceAudience is the audience of internal tokens for our own services.
const serviceAudience = "gatehouse"

func dropsToUpstream(name string, forwardAuthorization bool) bool {
	switch len(name) {
	case 4:
		return strings.EqualFold(name, "Host") || (!forwardAuthorization && strings.EqualFold(name, "DPoP"))
	case 6:
		return strings.EqualFold(name, "Expect")
	case 9:
		return strings.EqualFold(name, "X-API-Key") || strings.EqualFold(name, "Forwarded")
	case 12:
		return strings.EqualFold(name, "X-Request-Id")
	case 13:
		return !forwardAuthorization && strings.EqualFold(name, "Authorization")
	case 14:
		return strings.EqualFold(name, "Content-Length")
	}
	return false
}

// ownCookie is part of the name of each cookie of ours: those that sign a person
// in, know its device, or carry a flow.
const ownCookie = "gatehouse_"

// dropOwnCookies keeps our cookies from upstreams that are not ours.
func dropOwnCookies(h *exchange.Header) {
	var kept []string
	for i := range h.Len() {
		f := h.At(i)
		if !strings.EqualFold(f.Name, "Cookie") {
			continue
		}
		for pair := range strings.SplitSeq(f.Value, ";") {
			pair = strings.TrimSpace(pair)
			name, _, _ := strings.Cut(pair, "=")
			if pair != "" && !strings.Contains(strings.ToLower(name), ownCookie) {
				kept = append(kept, pair)
			}
		}
	}
	h.Del("Cookie")
	if len(kept) > 0 {
		h.Add("Cookie", strings.Join(kept, "; "))
	}
}

func hasToken(list, token string) bool {
	for part := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.TrimSpace(part), token) {
			return true
		}
	}
	return false
}
