// Command apikey is the built-in filter that authenticates requests by API key.
//
// The key is read and verified by the gateway (key_verify), which takes it out
// of the request; the filter decides what its absence or refusal means, from
// where a key may be used and how often, and never sees it. A header of keys that
// its configuration names is hidden from all filters that may not see keys. A
// query parameter is not: filters that run before this one see it, so in a
// chain with filters of others this one comes first.
package main

import (
	"time"

	"gatehouse.example/sdk/filter"
	"gatehouse.example/sdk/filter/networks"
)

type apikey struct {
	keys      *filter.Keys
	scopes    string // for the challenge, separated by spaces
	addresses networks.List
	quota     *filter.Limit // nil where there is none

	buf []byte // reused
}

// HandleRequest lets a request without a key pass: whether somebody has to act
// is the route's require.
func (f *apikey) HandleRequest(r *filter.Request) filter.Action {
	switch status := r.VerifyKey(f.keys); status {
	case filter.StatusOK:
		return f.use(r)
	case filter.StatusAbsent:
		return filter.Next
	case filter.StatusConflict:
		return r.Problem(400, "Bad Request", "several_credentials", "Send an access token or an API key, not both.")
	case filter.StatusUnavailable:
		r.SetRetryAfter(time.Second)
		return r.Problem(503, "Service Unavailable", "unavailable", "API keys cannot be verified at the moment.")
	case filter.StatusForbidden:
		r.SetResponseHeader("WWW-Authenticate", `ApiKey realm="gatehouse", error="insufficient_scope", scope="`+f.scopes+`"`)
		return r.Problem(403, "Forbidden", "insufficient_scope", "The API key lacks a scope that this needs.")
	case filter.StatusExpired:
		return refuse(r, "key_expired", "The API key has expired.")
	case filter.StatusRevoked:
		return refuse(r, "key_invalid", "The API key has been revoked.")
	default:
		return refuse(r, "key_invalid", "The API key is unknown, expired or revoked.")
	}
}

func refuse(r *filter.Request, code, detail string) filter.Action {
	why := `ApiKey realm="gatehouse", error="invalid_key"`
	if code == "key_expired" {
		why = `ApiKey realm="gatehouse", error="expired_key"`
	}
	r.SetResponseHeader("WWW-Authenticate", why)
	return r.Problem(401, "Unauthorized", code, detail)
}

// use says whether a good key may be used from here, and now.
func (f *apikey) use(r *filter.Request) filter.Action {
	if f.addresses.Len() > 0 && !f.addresses.Contains(r.SourceIP()) {
		return r.Problem(403, "Forbidden", "address_not_allowed", "The API key may not be used from this address.")
	}
	if f.quota == nil {
		return filter.Next
	}
	id, _ := r.Principal("jti")
	f.buf = append(f.buf[:0], id...)
	status := f.quota.Take(f.buf, 1)
	if status == filter.StatusUnavailable {
		r.SetRetryAfter(time.Second)
		return r.Problem(503, "Service Unavailable", "unavailable", "The quota of API keys cannot be counted at the moment.")
	}
	f.quota.Announce(r, nil)
	if status == filter.StatusOK {
		return filter.Next
	}
	r.SetRetryAfter(f.quota.Retry())
	return r.Problem(429, "Too Many Requests", "quota_exceeded", "The quota of this API key is used up; try again later.")
}

var _ = filter.Register("apikey", newFilter, filter.Needs("key"))

func main() {}
