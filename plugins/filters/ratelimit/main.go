// Command ratelimit is the built-in filter that limits how often somebody may
// ask (GCRA, counted by the gateway), and says so in RateLimit and
// RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers).
package main

import (
	"errors"
	"math"
	"strconv"
	"time"

	"gatehouse.example/sdk/filter"
)

// Config is the configuration of the filter.
type Config struct {
	Key        string `json:"key" doc:"who is counted: source_address, api_key, claim:NAME, header:NAME or route; default source_address. A request without the key counts by its source address."`
	IPv6Prefix int    `json:"ipv6_prefix" doc:"length of the IPv6 prefix that counts as one client; default 64"`
	Limits     []Rate `json:"limits" doc:"all of them apply"`
}

// Rate is one limit.
type Rate struct {
	Name  string          `json:"name" doc:"name in RateLimit; default: default, default-2, ..."`
	Rate  int64           `json:"rate" doc:"requests in each period on average"`
	Per   filter.Duration `json:"per" doc:"the period; default 1s"`
	Burst int64           `json:"burst" doc:"requests at once; default: rate"`
}

type limit struct {
	*filter.Limit
	name string // quoted
}

type ratelimit struct {
	key    keyFunc
	limits []limit
	policy string
	buf    []byte // the key, reused
	state  []byte // the RateLimit value, reused
}

func newFilter(s *filter.Setup, c Config) (*ratelimit, error) {
	key, err := parseKey(c)
	if err != nil {
		return nil, err
	}
	if len(c.Limits) == 0 {
		return nil, errors.New("config/limits: name at least one limit")
	}
	f := &ratelimit{key: key, buf: make([]byte, 0, 512), state: make([]byte, 0, 512)}
	for i, rate := range c.Limits {
		at := "config/limits/" + strconv.Itoa(i)
		if err := rate.complete(i); err != nil {
			return nil, errors.New(at + err.Error())
		}
		l, err := s.Limit(rate.Rate, time.Duration(rate.Per), rate.Burst)
		if err != nil {
			return nil, errors.New(at + ": " + err.Error())
		}
		if i > 0 {
			f.policy += ", "
		}
		f.limits = append(f.limits, limit{l, strconv.Quote(rate.Name)})
		f.policy += rate.policy()
	}
	return f, nil
}

func (r *Rate) complete(i int) error {
	switch {
	case r.Rate < 1:
		return errors.New("/rate: want at least 1")
	case r.Per < 0:
		return errors.New("/per: want more than 0s")
	case r.Burst < 0:
		return errors.New("/burst: want at least 1")
	}
	if r.Per == 0 {
		r.Per = filter.Duration(time.Second)
	}
	if r.Burst == 0 {
		r.Burst = r.Rate
	}
	if r.Name == "" {
		r.Name = "default"
		if i > 0 {
			r.Name += "-" + strconv.Itoa(i+1)
		}
	}
	for j := range len(r.Name) {
		if c := r.Name[j]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			return errors.New("/name: want printable ASCII without quotes")
		}
	}
	return nil
}

// policy is an item of RateLimit-Policy: a quota of burst requests, whole
// again after the window of so many seconds.
func (r *Rate) policy() string {
	// In floating point, for the product of period and burst may overflow.
	window := math.Ceil(time.Duration(r.Per).Seconds() * float64(r.Burst) / float64(r.Rate))
	return strconv.Quote(r.Name) + ";q=" + strconv.FormatInt(r.Burst, 10) + ";w=" + strconv.FormatInt(max(1, int64(window)), 10)
}

// seconds rounds up and is at least one.
func seconds(d time.Duration) int64 { return max(1, int64((d+time.Second-1)/time.Second)) }

// HandleRequest takes one from every limit, and stops at the first that is
// used up.
func (f *ratelimit) HandleRequest(r *filter.Request) filter.Action {
	f.buf = f.key(f.buf[:0], r)
	state := f.state[:0]
	allowed, retry := true, time.Duration(0)
	for i := range f.limits {
		l := &f.limits[i]
		allowedHere := l.Take(f.buf, 1) == filter.StatusOK
		taken := l.Window(0)
		if i > 0 {
			state = append(state, ", "...)
		}
		state = append(append(state, l.name...), ";r="...)
		state = strconv.AppendUint(state, uint64(taken.Remaining), 10)
		reset := taken.Reset
		if !allowedHere {
			reset = taken.Retry
		}
		state = strconv.AppendInt(append(state, ";t="...), seconds(reset), 10)
		if !allowedHere {
			allowed, retry = false, taken.Retry
			break
		}
	}
	f.state = state
	r.SetResponseHeader("RateLimit-Policy", f.policy)
	r.SetResponseHeaderBytes("RateLimit", state)
	if allowed {
		return filter.Next
	}
	f.buf = strconv.AppendInt(f.buf[:0], seconds(retry), 10)
	r.SetResponseHeaderBytes("Retry-After", f.buf)
	return r.Problem(429, "Too Many Requests", "rate_limited", "Too many requests; try again later.")
}

var _ = filter.Register("ratelimit", newFilter)

func main() {}
