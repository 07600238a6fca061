// Command ratelimit is the built-in filter that limits how often somebody may
// ask, in one or several windows at once, and says so in RateLimit and
// RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-10).
//
// Counting (GCRA) is the gateway's, in its memory or in a store that gateways
// share; the filter decides who is counted, what a request costs, and what
// refusal means.
package main

import (
	"time"

	"gatehouse.example/sdk/filter"
	"gatehouse.example/sdk/filter/networks"
)

// ratelimit is a configured limit.
type ratelimit struct {
	key    []part
	costs  costs
	exempt networks.List
	limit  *filter.Limit
	// partition adds pk to both fields, shadow refuses nobody, silent sends no
	// header fields.
	partition, shadow, silent bool
	counter                   *filter.Counter // what shadow mode lets pass; may be nil

	buf []byte // the key, reused
}

// HandleRequest counts the request, and answers it where it is one too many.
func (f *ratelimit) HandleRequest(r *filter.Request) filter.Action {
	if f.exempt.Len() > 0 && f.exempt.Contains(r.SourceIP()) {
		return filter.Next
	}
	f.buf = appendKey(f.buf[:0], f.key, r)
	status := f.limit.Take(f.buf, f.costs.of(r))
	if status == filter.StatusUnavailable {
		if f.shadow {
			return filter.Next
		}
		r.SetRetryAfter(time.Second)
		return r.Problem(503, "Service Unavailable", "unavailable", "Requests cannot be counted at the moment; try again later.")
	}
	if !f.silent {
		f.announce(r)
	}
	if status == filter.StatusOK {
		return filter.Next
	}
	if f.shadow {
		return f.wouldLimit(r)
	}
	r.SetRetryAfter(f.limit.Retry())
	return r.Problem(429, "Too Many Requests", "rate_limited", "Too many requests; try again later.")
}

func (f *ratelimit) announce(r *filter.Request) {
	if f.partition {
		f.limit.Announce(r, f.buf)
	} else {
		f.limit.Announce(r, nil)
	}
}

// wouldLimit leaves what an operator wants to know before the limit counts.
func (f *ratelimit) wouldLimit(r *filter.Request) filter.Action {
	r.SetAttribute(shadowAttribute, "limited")
	if f.counter != nil {
		f.counter.Add(1)
	}
	return filter.Next
}

var _ = filter.Register("ratelimit", newFilter)

func main() {}
