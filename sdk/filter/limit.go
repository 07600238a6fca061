package filter

import (
	"encoding/binary"
	"errors"
	"strconv"
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
	"gatehouse.example/sdk/filter/internal/host"
	"gatehouse.example/sdk/filter/internal/jsonconf"
)

// Window is one window of a rate limit: Rate requests in each Period on
// average, up to Burst at once.
type Window struct {
	Rate   int64
	Period time.Duration
	Burst  int64
}

// LimitPolicy is a rate limit of one or several windows, all of which apply.
type LimitPolicy struct {
	// Windows has at least one element.
	Windows []Window
	// Store is "local" (the default), or "redis" for counts that gateways share.
	Store string
	// OnUnavailable says what counts while the store cannot be reached:
	// "local" (the default), "allow" or "deny".
	OnUnavailable string
}

// Limit is a rate limit, counted by the gateway over all instances of the
// filter and all connections. Its zero value allows nothing.
type Limit struct {
	host   host.Host
	policy int32
	result []byte
}

// Limit makes a rate limit of one window: rate requests in each period on
// average, up to burst at once.
func (s *Setup) Limit(rate int64, period time.Duration, burst int64) (*Limit, error) {
	return s.Limits(LimitPolicy{Windows: []Window{{rate, period, burst}}})
}

// Limits makes a rate limit.
//
// # Errors
//
// What is wrong with the policy, as "store: ..." or "windows/0/burst: ...".
func (s *Setup) Limits(p LimitPolicy) (*Limit, error) {
	b := []byte(`{"windows":[`)
	for i, w := range p.Windows {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(b, `{"rate":`...), w.Rate, 10)
		b = strconv.AppendInt(append(b, `,"per_ns":`...), int64(w.Period), 10)
		b = append(strconv.AppendInt(append(b, `,"burst":`...), w.Burst, 10), '}')
	}
	b = append(b, ']')
	if p.Store != "" {
		b = jsonconf.AppendString(append(b, `,"store":`...), p.Store)
	}
	if p.OnUnavailable != "" {
		b = jsonconf.AppendString(append(b, `,"on_unavailable":`...), p.OnUnavailable)
	}
	policy := s.host.LimitPolicy(append(b, '}'))
	if policy < 0 {
		return nil, s.refusal()
	}
	return &Limit{host: s.host, policy: policy, result: make([]byte, len(p.Windows)*filterv1.LimitResultSize)}, nil
}

// Taken is the state of one window after [Limit.Take].
type Taken struct {
	// Remaining is how many more are allowed now.
	Remaining uint32
	// Reset is the time until the window is whole again.
	Reset time.Duration
	// Retry is the time until this window would allow the same; zero where it
	// does, some fifty days where it never will because cost is larger than
	// Burst.
	Retry time.Duration
}

// Take takes cost from what key may do in every window, or from none, and says
// whether it did: StatusOK, StatusLimited, or StatusUnavailable where the store
// cannot be reached and the policy denies then. cost 0 only looks. It allocates
// nothing.
func (l *Limit) Take(key []byte, cost uint32) Status {
	if l.host == nil {
		return StatusLimited
	}
	status := l.host.LimitTake(l.policy, key, cost, l.result)
	switch status {
	case filterv1.StatusOK, filterv1.StatusLimited, filterv1.StatusUnavailable:
		return status
	}
	panic("filter: limit_take: " + status.String())
}

// Window returns the state of window i of the policy as the last [Limit.Take]
// found it.
func (l *Limit) Window(i int) Taken {
	r := l.result[i*filterv1.LimitResultSize:]
	ms := func(at int) time.Duration {
		return time.Duration(binary.LittleEndian.Uint32(r[at:])) * time.Millisecond
	}
	return Taken{Remaining: binary.LittleEndian.Uint32(r), Reset: ms(4), Retry: ms(8)}
}

// refusal is the gateway's explanation of the policy that it has refused.
func (s *Setup) refusal() error {
	buf := make([]byte, 1024)
	if n := s.host.LastError(buf); n > 0 && n <= len(buf) {
		return errors.New(string(buf[:n]))
	}
	return errors.New("the gateway has refused the policy")
}
