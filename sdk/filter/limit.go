package filter

import (
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
	"gatehouse.example/sdk/filter/internal/host"
	"gatehouse.example/sdk/filter/internal/jsonconf"
)

// Window is one window of a rate limit: Rate requests in each Period on
// average, up to Burst at once.
type Window struct {
	// Name is what clients know it by ([Limit.Announce]): printable ASCII, and
	// another for each window. Empty is that of the policy.
	Name   string
	Rate   int64
	Period time.Duration
	// Burst is Rate where it is 0.
	Burst int64
}

// LimitPolicy is a rate limit of one or several windows, all of which apply.
type LimitPolicy struct {
	// Windows has at least one element.
	Windows []Window
	// Field is the list in the filter's configuration that Windows comes from,
	// for errors; "" is "windows". Its elements have the fields name, rate, per
	// and burst there.
	Field string
	// Name is that of a first window without a name; a second is "NAME-2". ""
	// is "default".
	Name string
	// Store is "local" (the default), or "redis" for counts that gateways share.
	Store string
	// OnUnavailable says what counts while the store cannot be reached:
	// "local" (the default), "allow" or "deny".
	OnUnavailable string
}

// Limit is a rate limit, counted by the gateway over all instances of the
// filter and all connections. Its zero value allows nothing.
type Limit struct {
	host   host.Caller
	policy int32
	most   uint32
	result []byte
	fields limitFields
}

// Limit makes a rate limit of one window: rate requests in each period on
// average, up to burst at once.
func (s *Setup) Limit(rate int64, period time.Duration, burst int64) (*Limit, error) {
	return s.Limits(LimitPolicy{Windows: []Window{{Rate: rate, Period: period, Burst: burst}}})
}

// Limits makes a rate limit.
//
// # Errors
//
// What is wrong with the policy, as "config/store: ..." or
// "config/windows/0/burst: ...", with [LimitPolicy.Field] for windows; see
// [Setup].
func (s *Setup) Limits(p LimitPolicy) (*Limit, error) {
	windows, err := p.complete()
	if err != nil {
		return nil, err
	}
	policy := s.host.LimitPolicy(p.encode(windows))
	if policy < 0 {
		err := s.refusedPolicy("limit policy", "windows", "store", "on_unavailable")
		if rest, ok := strings.CutPrefix(err.Error(), "config/windows"); ok {
			err = errors.New("config/" + p.field() + rest)
		}
		return nil, err
	}
	most := windows[0].Burst
	for _, w := range windows {
		most = min(most, w.Burst)
	}
	return &Limit{
		host: s.host, policy: policy, most: uint32(most), fields: newLimitFields(windows),
		result: make([]byte, len(windows)*filterv1.LimitResultSize),
	}, nil
}

func (p *LimitPolicy) field() string {
	if p.Field == "" {
		return "windows"
	}
	return p.Field
}

// complete returns the windows with what they leave out.
func (p *LimitPolicy) complete() ([]Window, error) {
	windows := append([]Window(nil), p.Windows...)
	for i := range windows {
		w := &windows[i]
		if err := w.complete(p.Name, i); err != nil {
			return nil, errors.New("config/" + p.field() + "/" + strconv.Itoa(i) + err.Error())
		}
		for j := range i {
			if windows[j].Name == w.Name {
				at := "config/" + p.field() + "/"
				return nil, errors.New(at + strconv.Itoa(i) + "/name: that of " + p.field() + "/" + strconv.Itoa(j) + " too; want another")
			}
		}
	}
	return windows, nil
}

func (w *Window) complete(name string, i int) error {
	if w.Period <= 0 {
		return errors.New("/per: want more than 0s")
	}
	if w.Burst == 0 {
		w.Burst = w.Rate
	}
	if w.Name == "" {
		if w.Name = name; name == "" {
			w.Name = "default"
		}
		if i > 0 {
			w.Name += "-" + strconv.Itoa(i+1)
		}
	}
	// The characters of a String (RFC 9651 §3.3.3).
	for j := range len(w.Name) {
		if c := w.Name[j]; c < 0x20 || c > 0x7e {
			return errors.New("/name: want printable ASCII")
		}
	}
	return nil
}

func (p *LimitPolicy) encode(windows []Window) []byte {
	b := []byte(`{"windows":[`)
	for i, w := range windows {
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
	return append(b, '}')
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
	if l.result == nil {
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
	remaining, reset, retry := l.state(i)
	return Taken{remaining, time.Duration(reset) * time.Millisecond, time.Duration(retry) * time.Millisecond}
}

// state is that of a window, with times in milliseconds.
func (l *Limit) state(i int) (remaining, reset, retry uint32) {
	r := l.result[i*filterv1.LimitResultSize:][:filterv1.LimitResultSize]
	return binary.LittleEndian.Uint32(r), binary.LittleEndian.Uint32(r[4:]), binary.LittleEndian.Uint32(r[8:])
}

// Retry returns the time until all windows would allow what the last
// [Limit.Take] asked for: the longest Retry of theirs. It is what
// [Request.SetRetryAfter] wants.
func (l *Limit) Retry() time.Duration {
	longest := uint32(0)
	for i := range len(l.result) / filterv1.LimitResultSize {
		_, _, retry := l.state(i)
		longest = max(longest, retry)
	}
	return time.Duration(longest) * time.Millisecond
}

// Most returns the largest cost that all windows can ever allow: the smallest
// Burst.
func (l *Limit) Most() uint32 { return l.most }
