// Command ratelimit is the built-in filter that limits how often somebody may
// ask, in one or several windows at once, and says so in RateLimit and
// RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-10).
//
// Counting (GCRA) is the gateway's, in its memory or in a store that gateways
// share; the filter decides who is counted, what a request costs, and what
// refusal means.
package main

import (
	"strconv"
	"time"

	"gatehouse.example/sdk/filter"
)

// ratelimit is a configured limit.
type ratelimit struct {
	key      []part
	costs    costs
	exempt   filter.Networks
	limit    *filter.Limit
	names    []string // of the windows, quoted
	policies string   // the RateLimit-Policy value
	// partition adds pk to both fields, shadow refuses nobody, silent sends no
	// header fields.
	partition, shadow, silent bool
	counter                   *filter.Counter // what shadow mode lets pass; may be nil

	buf   []byte // the key, reused
	state []byte // the RateLimit value, reused
	text  []byte // other values, reused
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
		r.SetResponseHeader("Retry-After", "1")
		return r.Problem(503, "Service Unavailable", "unavailable", "Requests cannot be counted at the moment; try again later.")
	}
	retry := f.describe(r)
	if status == filter.StatusOK {
		return filter.Next
	}
	if f.shadow {
		return f.wouldLimit(r)
	}
	f.text = strconv.AppendInt(f.text[:0], seconds(retry), 10)
	r.SetResponseHeaderBytes("Retry-After", f.text)
	return r.Problem(429, "Too Many Requests", "rate_limited", "Too many requests; try again later.")
}

// describe writes the header fields and returns how long to wait until every
// window allows the request.
func (f *ratelimit) describe(r *filter.Request) (retry time.Duration) {
	state := f.state[:0]
	for i, name := range f.names {
		taken := f.limit.Window(i)
		if i > 0 {
			state = append(state, ", "...)
		}
		state = append(append(state, name...), ";r="...)
		state = strconv.AppendUint(state, uint64(taken.Remaining), 10)
		reset := taken.Reset
		if taken.Retry > 0 {
			reset, retry = taken.Retry, max(retry, taken.Retry)
		}
		state = strconv.AppendInt(append(state, ";t="...), seconds(reset), 10)
		if f.partition {
			state = appendPartition(state, f.buf)
		}
	}
	f.state = state
	if f.silent {
		return retry
	}
	if f.partition {
		f.text = f.appendPolicies(f.text[:0])
		r.SetResponseHeaderBytes("RateLimit-Policy", f.text)
	} else {
		r.SetResponseHeader("RateLimit-Policy", f.policies)
	}
	r.SetResponseHeaderBytes("RateLimit", state)
	return retry
}

// wouldLimit leaves what an operator wants to know before the limit counts.
func (f *ratelimit) wouldLimit(r *filter.Request) filter.Action {
	r.SetAttribute(shadowAttribute, "limited")
	if f.counter != nil {
		f.counter.Add(1)
	}
	return filter.Next
}

// seconds rounds up and is at least one.
func seconds(d time.Duration) int64 { return max(1, int64((d+time.Second-1)/time.Second)) }

var _ = filter.Register("ratelimit", newFilter)

func main() {}
